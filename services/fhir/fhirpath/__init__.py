"""FHIRPath as far as R4's own expressions use it: http://hl7.org/fhir/R4/fhirpath.html"""
