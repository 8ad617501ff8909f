"""Why somebody asks: the purposes of use that a request may state in X-Purpose, as far as its client is allowed.

http://terminology.hl7.org/ValueSet/v3-PurposeOfUse
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from gateway.session import Session
from services.fhir.outcomes import bad_request, forbidden

HEADER: Final = b"x-purpose"
_CODES: Final = (
    "HMARKT HOPERAT CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP HSYSADMIN "
    "LABELING METAMGT MEMADMIN MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV HTEST TRAIN HPAYMT CLMATTCH COVAUTH COVERAGE ELIGDTRM "
    "ELIGVER ENROLLM MILDCRG REMITADV HRESCH BIORCH CLINTRCH CLINTRCHNPC CLINTRCHPC PRECLINTRCH DSRCH POARCH TRANSRCH PATRQT FAMRQT PWATRNY "
    "SUPNWK PUBHLTH DISASTER THREAT TREAT CLINTRL COC ETREAT BTG ERTREAT POPHLTH"
)
PURPOSES: Final = frozenset(_CODES.split())


class PurposeError(ValueError):
    """A code that is no purpose of use; the message names it."""


def accept_purposes(codes: Sequence[str]) -> tuple[str, ...]:
    """Return the purposes, each once, or raise PurposeError."""
    for code in codes:
        if code not in PURPOSES:
            raise PurposeError(f"{code}: not a code of v3-PurposeOfUse, e.g. TREAT, ETREAT, HOPERAT")
    if not codes:
        raise PurposeError("at least one purpose is needed, e.g. TREAT")
    return tuple(dict.fromkeys(codes))


def stated_purpose(headers: Sequence[tuple[bytes, bytes]], session: Session) -> str:
    """Return why the request is made, or raise 400 for what is no purpose and 403 for one that this bearer may not state."""
    stated = [value for name, value in headers if name == HEADER]
    if not stated:
        return session.purposes[0]
    purpose = _code(stated[0]) if len(stated) == 1 else ""
    if purpose not in PURPOSES:
        raise bad_request("X-Purpose must be one code of v3-PurposeOfUse, e.g. TREAT", text="使用目的代码有误")
    if purpose not in session.purposes:
        allowed = ", ".join(session.purposes)
        raise forbidden(
            f"This token allows the purposes {allowed}", text=f"当前授权不允许此使用目的（允许：{allowed}）"
        )
    return purpose


@lru_cache(maxsize=128)
def _code(value: bytes) -> str:
    return value.decode("ascii", "replace").strip().rpartition("|")[2]
