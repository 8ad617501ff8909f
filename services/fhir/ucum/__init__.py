"""Units of measure as UCUM defines them, exactly: https://ucum.org/ucum"""

from services.fhir.ucum.canonical import UCUM, Unit, canonical, unit

__all__ = ["UCUM", "Unit", "canonical", "unit"]
