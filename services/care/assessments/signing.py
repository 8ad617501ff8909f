"""Who has signed a response, and as what: http://hl7.org/fhir/R4/extension-questionnaireresponse-signature.html

The types are those of ASTM E1762: an author's and a co-author's signature are an assessor's 评估员, a source's is that of who gave the
information 信息提供者.
"""

from collections import Counter
from typing import Any, Final, Literal

from services.care.scoring.instrument import Instrument

Json = dict[str, Any]
Role = Literal["assessor", "informant"]

SIGNATURE: Final = "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-signature"
_ROLES: Final[dict[str, Role]] = {
    "1.2.840.10065.1.12.1.1": "assessor",
    "1.2.840.10065.1.12.1.2": "assessor",
    "1.2.840.10065.1.12.1.14": "informant",
}


def signatures_of(response: Json) -> list[Json]:
    return [each["valueSignature"] for each in response.get("extension", ()) if each.get("url") == SIGNATURE]


def missing_signatures(response: Json, instrument: Instrument) -> tuple[Role, ...]:
    """The roles in which too few different persons have signed; one who signs twice counts once."""
    wanted = instrument.signatures
    if wanted is None:
        return ()
    signed = {(role, signer_of(each)) for each in signatures_of(response) if (role := _role(each))}
    counts = Counter(role for role, _ in signed)
    needs: tuple[tuple[Role, int], ...] = (("assessor", wanted.assessor), ("informant", wanted.informant))
    return tuple(role for role, needed in needs if counts[role] < needed)


def assessors_of(response: Json) -> list[Json]:
    """References to the author and to who signed as assessor, each once, the author first."""
    signed = [each["who"] for each in signatures_of(response) if _role(each) == "assessor"]
    found = {_key(who): who for who in [response.get("author"), *signed] if who}
    return list(found.values())


def signer_of(signature: Json) -> str:
    return _key(signature["who"])


def _role(signature: Json) -> Role | None:
    return next((_ROLES[each["code"]] for each in signature["type"] if each.get("code") in _ROLES), None)


def _key(who: Json) -> str:
    identifier = who.get("identifier", {})
    return str(who.get("reference") or f"{identifier.get('system', '')}|{identifier.get('value', '')}")
