"""What any service needs and HL7 never mentions: the caller, peers, clock, ids, logging and the database."""
