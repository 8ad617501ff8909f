"""What any service needs and HL7 never mentions."""
