"""Reading and validating resources as R4 says: http://hl7.org/fhir/R4/validation.html"""

from services.fhir.validation.parse import parse
from services.fhir.validation.validate import examine, validate

__all__ = ["examine", "parse", "validate"]
