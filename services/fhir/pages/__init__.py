"""FHIR documents as pages for people, on the screen and on paper: http://hl7.org/fhir/R4/documents.html#presentation"""
