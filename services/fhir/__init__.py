"""The FHIR R4 engine, for any resource type: http://hl7.org/fhir/R4/"""
