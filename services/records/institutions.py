"""Who keeps the entry of an institution: what it is a part of and where it lies decide who watches over it: http://hl7.org/fhir/R4/organization.html"""

from services.fhir.business import Change
from services.fhir.clockwork import is_clock
from services.fhir.elements import id_in
from services.fhir.outcomes import forbidden
from services.kit.caller import Caller


def check_keeper(change: Change, caller: Caller) -> None:
    """403 for a stranger: an entry is changed by the institution itself, by who made it, or by what it is a part of."""
    if change.version == 1 or is_clock(caller):
        return
    above = id_in((change.before or {}).get("partOf"), "Organization")
    if caller.organization not in {change.id, change.author, above}:
        raise forbidden(
            "An Organization is changed by itself, by who made it, or by the one that it is a part of",
            text="机构信息仅可由该机构、其登记机构或其上级机构变更",
            expression=("Organization",),
        )
