"""Purposes of use, and which another one comprises: http://terminology.hl7.org/CodeSystem/v3-ActReason"""

from collections.abc import Iterable
from typing import Final

BREAK_GLASS: Final = "BTG"
EMERGENCY: Final = "ETREAT"
OVERRIDING: Final = frozenset({BREAK_GLASS, EMERGENCY})
TREATMENT: Final = frozenset({"TREAT", "CLINTRL", "COC", EMERGENCY, "ERTREAT", BREAK_GLASS, "CAREMGT"})
# Care, and what cannot be left out when there is care: its running, its payment, its safety, the patient's own wish.
CARE: Final = TREATMENT | frozenset(
    {"HOPERAT", "HPAYMT", "COVERAGE", "ELIGDTRM", "PATADMIN", "PATSFTY", "RECORDMGT", "HQUALIMP", "PATRQT", "FAMRQT", "PUBHLTH"}
)  # fmt: skip
_COMPRISES: Final = {
    "TREAT": TREATMENT - {"CAREMGT"},
    "HPAYMT": frozenset({"HPAYMT", "CLMATTCH", "COVAUTH", "COVERAGE", "ELIGDTRM", "ELIGVER", "ENROLLM", "REMITADV"}),
    "HRESCH": frozenset({"HRESCH", "BIORCH", "CLINTRCH", "CLINTRCHNPC", "CLINTRCHPC", "PRECLINTRCH", "DSRCH", "POARCH", "TRANSRCH"}),
}  # fmt: skip


def expanded(purposes: Iterable[str]) -> tuple[str, ...]:
    """The purposes and those that they comprise, sorted."""
    return tuple(sorted({each for p in purposes for each in _COMPRISES.get(p, frozenset({p}))}))
