"""What the platform writes beside an act: who did it, and whom it is told.

http://hl7.org/fhir/R4/provenance.html · http://hl7.org/fhir/R4/communication.html
"""

from typing import Any

from services.fhir.elements import concept
from services.referral.codes import ACT, SERVICE_CATEGORY
from services.referral.facts import Facts
from services.referral.workflow import ACTS, Move

Json = dict[str, Any]


def provenance(move: Move, task_id: str, version: int, facts: Facts, recorded: str) -> Json:
    """One of each transition; of the platform's own acts the agent is the platform."""
    who = {"display": "平台时钟"} if facts.is_platform else {"reference": f"Organization/{facts.organization}"}
    agent: Json = {"who": {"reference": facts.person}, "onBehalfOf": who} if facts.person else {"who": who}
    made: Json = {
        "resourceType": "Provenance",
        "target": [{"reference": f"Task/{task_id}/_history/{version}"}, {"reference": facts.patient}],
        "recorded": recorded,
        "activity": concept(ACT, move.act, move.zh),
        "agent": [agent],
    }
    reason = facts.after.get("statusReason")
    return made | ({"reason": [reason]} if reason and "reason" in " ".join(move.needs) else {})


def notice(task_id: str, facts: Facts, recipients: list[str], text: str, recorded: str) -> Json:
    """Told by the platform: what waits too long, who was not reached."""
    return {
        "resourceType": "Communication",
        "status": "completed",
        "category": [concept(SERVICE_CATEGORY, "referral", "双向转诊")],
        "subject": {"reference": facts.patient},
        "about": [{"reference": f"Task/{task_id}"}],
        "sent": recorded,
        "recipient": [{"reference": f"Organization/{each}"} for each in dict.fromkeys(recipients) if each],
        "payload": [{"contentString": text}],
    }


def told(move: Move, task_id: str, facts: Facts, lead: str | None, recorded: str) -> Json | None:
    """The Communication that goes with an act of the platform clock; None where nobody is told."""
    zh = ACTS[move.act].zh
    match move.act:
        case "escalate":
            half = "已过半" if facts.running.escalated < 100 else "已到期"  # noqa: PLR2004
            text = f"转诊受理时限{half}，请尽快处理（{zh}）· the clock of this referral has run {facts.running.escalated} %"
            return notice(task_id, facts, [facts.fulfiller, lead or ""], text, recorded)
        case "flag":
            text = "转诊资料未在 24 小时内补全 · the rest of the package did not come within 24 h"
            return notice(task_id, facts, [facts.placer, facts.fulfiller], text, recorded)
        case "expire":
            text = "转诊逾期未受理，已过期 · nobody answered this referral in time, it has expired"
            return notice(task_id, facts, [facts.placer, facts.fulfiller, lead or ""], text, recorded)
        case "no-show" if facts.is_platform:
            text = "患者未在时间窗内到诊，请联系 · the patient did not arrive in time, please contact"
            return notice(task_id, facts, [facts.placer], text, recorded)
    return None
