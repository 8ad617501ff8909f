"""HL7 v2 from old systems: ER7 messages become FHIR by a mapping that is data (docs/adr/0043): http://www.hl7.eu/HL7v2x/v251/hl7v251.htm"""
