"""Resources against the profiles that they claim: http://hl7.org/fhir/R4/profiling.html"""

from services.fhir.validation.profiles.claims import check_claims, known_profile, profile_check

__all__ = ["check_claims", "known_profile", "profile_check"]
