"""What opens a basis among the resources of care: a residency or service, a team (docs/adr/0011)."""

from collections.abc import Mapping
from typing import Any, Final

from services.fhir.access.grants import Moment, Opening, Opens, Rule, end_of, organizations, patient_in

Json = dict[str, Any]

_IN_CARE: Final = frozenset({"active", "onhold"})
_AT_WORK: Final = frozenset({"active", "suspended"})


def episode_of_care(resource: Json, moment: Moment) -> Opens:
    """http://hl7.org/fhir/R4/valueset-episode-of-care-status.html: a residency that is planned opens nothing yet."""
    status = resource["status"]
    return _of(
        "episode-of-care",
        resource.get("patient"),
        organizations(resource.get("managingOrganization")),
        resource,
        moment,
        is_live=status in _IN_CARE,
        is_over=status == "finished",
    )


def care_team(resource: Json, moment: Moment) -> Opens:
    """The institutions that the team names, as members or as those for whom a member acts."""
    members = [
        p.get(name) for p in resource.get("participant", ()) for name in ("member", "onBehalfOf") if isinstance(p, dict)
    ]
    holders = organizations(*members, *resource.get("managingOrganization", ()))
    status = resource.get("status", "active")
    return _of(
        "care-team",
        resource.get("subject"),
        holders,
        resource,
        moment,
        is_live=status in _AT_WORK,
        is_over=status == "inactive",
    )


def _of(
    basis: Any, subject: Any, holders: tuple[str, ...], resource: Json, moment: Moment, *, is_live: bool, is_over: bool
) -> Opens:
    patient = patient_in(subject)
    if patient is None or not (is_live or is_over):
        return Opens()
    ends = end_of(resource.get("period"), moment, is_over=is_over)
    return Opens(tuple(Opening(patient, holder, basis, moment.at, ends) for holder in holders))


OPENINGS: Final[Mapping[str, Rule]] = {"EpisodeOfCare": episode_of_care, "CareTeam": care_team}
