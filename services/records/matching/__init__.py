"""Who of the patients within reach may be this person: http://hl7.org/fhir/R4/patient-operation-match.html (docs/adr/0033)"""

from services.records.matching.candidates import searches_for
from services.records.matching.features import Features, features_of
from services.records.matching.score import Grade, Verdict, compare

__all__ = ["Features", "Grade", "Verdict", "compare", "features_of", "searches_for"]
