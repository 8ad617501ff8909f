"""An agreement that permits referrals is written by a party to it: http://hl7.org/fhir/R4/contract.html"""

from typing import Any

from services.fhir.business import Change
from services.fhir.elements import codes_in
from services.kit.caller import Caller
from services.referral.agreements import COOPERATION, parties_of
from services.referral.codes import CONTRACT_TYPE
from services.referral.refusals import not_permitted

Json = dict[str, Any]


def check_contract(change: Change, caller: Caller) -> None:
    """Of the version before too: nobody takes over the agreement of others."""
    for version in (change.before, change.after):
        if version is not None and _permits(version) and caller.organization not in parties_of(version):
            raise not_permitted(
                "Contract.signer",
                "an executed agreement is written by one of the institutions that sign it",
                "协议仅可由签署机构登记或变更",
            )


def _permits(contract: Json) -> bool:
    """Can institutions refer to each other by it?"""
    is_ours = COOPERATION in codes_in(contract.get("type"), CONTRACT_TYPE)
    return is_ours and contract.get("status") == "executed" and len(parties_of(contract)) > 1
