"""What a family doctor's contract says: whose it is, who signed, how long, what it promises: http://hl7.org/fhir/R4/contract.html"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from services.fhir.elements import codes_in, reference_in
from services.referral.codes import CONTRACT_TERM, CONTRACT_TYPE
from services.referral.refusals import lacks

Json = dict[str, Any]

FAMILY_DOCTOR: Final = "family-doctor"
STANDING: Final = "executed"
RENEWED: Final = "renewed"
SAID: Final = ("subject", "applies", "signer")
"""What is looked at when it begins to stand, or changes: what stood so before is no new mistake."""
_PACKAGE_ITEM: Final = "package-item"
_PEOPLE: Final = ("Patient/", "RelatedPerson/")
_INSTITUTIONS: Final = ("Organization/", "Practitioner/", "PractitionerRole/")


class Item(msgspec.Struct, frozen=True):
    """A service of the package: its codes as `system|code`, and how often it is promised; None where that is not said."""

    codes: frozenset[str]
    name: str
    agreed: int | None


def is_family_doctor(contract: Json | None) -> bool:
    return FAMILY_DOCTOR in codes_in((contract or {}).get("type"), CONTRACT_TYPE)


def is_standing(contract: Json | None) -> bool:
    return is_family_doctor(contract) and (contract or {}).get("status") == STANDING


def patient_of(contract: Json | None) -> str:
    """`Patient/id`; empty where it is about nobody, or about several."""
    names = [name for each in (contract or {}).get("subject", ()) if (name := reference_in(each))]
    patients = [name for name in names if name.startswith("Patient/")]
    return patients[0] if len(patients) == 1 else ""


def former_of(contract: Json) -> str:
    """The contract that this one renews: `Contract/id` among its supporting information."""
    names = (reference_in(each) for each in contract.get("supportingInfo", ()))
    return next((name for name in names if name.startswith("Contract/")), "")


def check(contract: Json) -> None:
    """What makes it a contract: one elder, a period, and the signatures of both sides; a relative may sign for the elder."""
    if not patient_of(contract):
        raise lacks("Contract.subject", "one Patient is needed", "须有且只有一位签约居民")
    period = contract.get("applies", {})
    if not period.get("start") or not period.get("end"):
        raise lacks("Contract.applies", "a start and an end are needed", "须注明服务起止日期")
    signed = [reference_in(each.get("party")) for each in contract.get("signer", ())]
    if not any(name.startswith(_PEOPLE) for name in signed):
        raise lacks("Contract.signer", "the elder or a relative has not signed", "缺少居民或家属签字")
    if not any(name.startswith(_INSTITUTIONS) for name in signed):
        raise lacks("Contract.signer", "the institution or its physician has not signed", "缺少机构或医生签字")


def items(contract: Json) -> Iterator[Item]:
    """The package, in its order."""
    for term in contract.get("term", ()):
        if _PACKAGE_ITEM not in codes_in(term.get("type"), CONTRACT_TERM):
            continue
        kind = term.get("subType", {})
        codings = kind.get("coding", ())
        codes = frozenset(f"{c.get('system', '')}|{c['code']}" for c in codings if "code" in c)
        name = kind.get("text") or next((c["display"] for c in codings if "display" in c), "")
        answers = term.get("offer", {}).get("answer", ())
        agreed = next((each["valueInteger"] for each in answers if "valueInteger" in each), None)
        yield Item(codes, name or ", ".join(sorted(codes)), agreed)


def done(item: Item, services: Iterable[Json]) -> int:
    """How many of the services are of this item."""
    return sum(bool(item.codes & _codes(each)) for each in services)


def _codes(service: Json) -> set[str]:
    """Of what was done, whatever element says it."""
    found: set[str] = set()
    for name in ("code", "type"):
        concepts = service.get(name) or []
        several = concepts if isinstance(concepts, list) else [concepts]
        found |= {f"{c.get('system', '')}|{c.get('code')}" for each in several for c in each.get("coding", ())}
    return found
