"""A consortium 医联体 lets its institutions refer to each other, so its head or its member says so: http://hl7.org/fhir/R4/organizationaffiliation.html"""

from typing import Any, Final

from services.fhir.access.grants import organizations
from services.fhir.business import Change
from services.fhir.outcomes import forbidden
from services.kit.caller import Caller
from services.records.rules import AFFILIATION_TYPE

Json = dict[str, Any]

_RELATIONS: Final = frozenset({"consortium", "agreement", "support"})


def check_writer(change: Change, caller: Caller) -> None:
    """Of the version before too: nobody takes over the affiliation of others."""
    for version in (change.before, change.after):
        if version is not None and _is_relation(version) and caller.organization not in _parties(version):
            raise forbidden(
                "An affiliation that permits referrals is written by its head or its member",
                text="医联体关系仅可由牵头机构或成员机构登记",
                expression=("OrganizationAffiliation.organization",),
            )


def _is_relation(affiliation: Json) -> bool:
    codings = [coding for each in affiliation.get("code", ()) for coding in each.get("coding", ())]
    return any(c.get("system") == AFFILIATION_TYPE and c.get("code") in _RELATIONS for c in codings)


def _parties(affiliation: Json) -> tuple[str, ...]:
    return organizations(*(affiliation.get(name) for name in ("organization", "participatingOrganization")))
