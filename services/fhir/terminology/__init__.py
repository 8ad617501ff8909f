"""Code systems, value sets and concept maps: what is shipped, what is stored, and what can be asked of them.

http://hl7.org/fhir/R4/terminology-service.html
"""
