"""Bulk data: exports and imports as jobs that outlive the process that works on them: https://hl7.org/fhir/uv/bulkdata/STU2/"""
