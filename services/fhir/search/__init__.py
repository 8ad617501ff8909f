"""Search: URL → plain query objects, resource → index values: http://hl7.org/fhir/R4/search.html"""
