"""Clusters of illness 聚集性疫情: several residents of one institution with the same signs within days, found as the signs are committed (docs/adr/0053).

http://hl7.org/fhir/R4/detectedissue.html · http://hl7.org/fhir/R4/communication.html

The rules are data (outbreaks.json). A cluster is a DetectedIssue of the institution, and a Communication to the centre for disease control of its county, which
names no resident. One cluster of a rule and an institution is open at a time: a hold, as long as the rule looks back.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from services.care.quality.outbreak_rules import Rule, rules
from services.fhir.business import Change, Context, Decision, Heard, Hold, Intent, Wake, changed, created
from services.fhir.clockwork import is_clock
from services.fhir.elements import CANONICAL
from services.fhir.outcomes import unprocessable
from services.fhir.references import relative
from services.fhir.search.dates import parse_range
from services.fhir.terminology.shipped import known_concept

Json = dict[str, Any]

OUTBREAK: Final = f"{CANONICAL}/CodeSystem/outbreak"
SID: Final = f"{CANONICAL}/sid/outbreak"
ACT: Final = "cluster"
MOST: Final = 2000
_MODES: Final = "residential,full-time,day-care"
_DIVISION: Final = f"{CANONICAL}/StructureDefinition/division-code"
_CONTROL: Final = "J100"
_COUNTY: Final = 6
_AHEAD: Final = timedelta(days=1)
"""As far as a clock may be ahead."""
_OVER: Final = frozenset({"final", "cancelled", "entered-in-error"})
_KEPT: Final = frozenset({"status", "mitigation", "meta", "text"})


def signs_in(heard: Sequence[Heard], context: Context) -> Iterator[Wake]:
    """Whose institution is looked at; most of what is heard is no sign of illness, or of one that is long over."""
    for each in heard:
        resource = each.resource
        if resource is None or not each.patient or each.type not in ("Observation", "Condition"):
            continue
        for rule in rules().values():
            is_sign = any(sign.type == each.type and sign.is_in(resource) for sign in rule.signs)
            if is_sign and _is_of_now(resource, rule, context):
                yield Wake(f"Patient/{each.patient} outbreak-{rule.code}", f"{ACT} {rule.code}")


def _is_of_now(resource: Json, rule: Rule, context: Context) -> bool:
    """Whether a cluster of today can have it: none has what came before the days that its rule looks back, or is yet to come.

    What lasted, or came several times, is looked for.
    """
    text = resource.get("effectiveDateTime") or resource.get("effectiveInstant") or resource.get("recordedDate")
    if not text:
        return "effectivePeriod" in resource or "effectiveTiming" in resource
    begins, ends = parse_range(text, context.zone)
    return ends >= context.at - timedelta(days=rule.days) and begins <= context.at + _AHEAD


async def look(holder: str, code: str, context: Context) -> Sequence[Intent]:
    """A new cluster, or more cases of the one that is open."""
    rule, patient = rules().get(code), holder.partition(" ")[0]
    institution = await _institution(patient, context) if rule else ""
    if rule is None or not institution:
        return ()
    cases = await _cases(rule, institution, context)
    people = {each["subject"]["reference"] for each in cases}
    if len(people) < rule.residents:
        return ()
    evidence = [{"detail": [{"reference": f"{each['resourceType']}/{each['id']}"}]} for each in cases]
    held = (await context.holders([key_of(code, institution)])).get(key_of(code, institution))
    there = await context.read("DetectedIssue", held.partition("/")[2]) if held else None
    if there is None:
        return (created(_issue(rule, institution, len(people), evidence, context), institution.partition("/")[2]),)
    issue, version = there
    known = issue.get("evidence", [])
    more = [each for each in evidence if each not in known]
    return (changed({**issue, "evidence": [*known, *more]}, version),) if more and issue["status"] not in _OVER else ()


def is_outbreak(issue: Json | None) -> bool:
    return any(each.get("system") == SID for each in (issue or {}).get("identifier", ()))


async def decide(change: Change, context: Context) -> Decision:
    """The platform finds a cluster and tells of it; the institution says how it went on."""
    before, after = change.before, change.after
    by_clock = is_clock(context.caller)
    if not by_clock and (before is None or after is None or not is_outbreak(before)):
        raise _refused(
            "a cluster is found by the platform, and not deleted", "聚集性疫情由平台发现，不可自行写入或删除"
        )
    if not by_clock and any(
        (before or {}).get(n) != (after or {}).get(n) for n in {*(before or {}), *(after or {})} - _KEPT
    ):
        raise _refused("of a cluster its status and mitigation change", "聚集性疫情仅可更新状态与处置")
    if before is not None or after is None:
        return Decision()
    institution, code = after["identifier"][0]["value"].rsplit(" ", 1)
    until = context.at + timedelta(days=rules()[code].days)
    told = await _told(after, institution, context)
    holder = f"DetectedIssue/{after['id']}"
    return Decision(also=told, takes=(Hold(key_of(code, institution), holder, until=until),))


def key_of(code: str, institution: str) -> str:
    return f"outbreak:{code}:{institution}"


async def _institution(patient: str, context: Context) -> str:
    asked = [("patient", patient), ("status", "active"), ("type", _MODES), ("_sort", "-date")]
    found = await context.first("EpisodeOfCare", asked, 1)
    named = str(found[0][0].get("managingOrganization", {}).get("reference", "")) if found else ""
    reference = relative(named, f"{context.base}/")
    return reference if reference.startswith("Organization/") else ""


async def _cases(rule: Rule, institution: str, context: Context) -> list[Json]:
    """All signs of residents of the institution, by when they were seen."""
    since = (context.at - timedelta(days=rule.days)).isoformat(timespec="seconds")
    until = (context.at + _AHEAD).isoformat(timespec="seconds")
    modes = " or ".join(f"type eq {mode}" for mode in _MODES.split(","))
    resident = f'organization re "{institution}" and status eq active and ({modes})'
    found: list[Json] = []
    for sign in rule.signs:
        asked = [("subject:Patient._has:EpisodeOfCare:patient:_filter", resident)]
        if sign.type == "Observation":
            asked += [
                ("code", ",".join(f"{sign.system}|{code}" for code in sign.codes)),
                ("date", f"ge{since}"),
                ("date", f"le{until}"),
            ]
            asked += [("value-quantity", f"ge{sign.at_least}||{sign.unit}")] if sign.at_least is not None else []
            asked += [("status:not", "entered-in-error,cancelled")]
        else:
            # no search asks for the beginning of a code, and those of the Chinese edition are many: J11.101, J06.900x003
            asked += [("verification-status:not", "refuted,entered-in-error"), ("recorded-date", f"ge{since[:10]}")]
            asked += [("recorded-date", f"le{until}")]
        found += [each for each, _ in await context.first(sign.type, asked, MOST) if sign.is_in(each)]
    return found


def _issue(rule: Rule, institution: str, people: int, evidence: list[Json], context: Context) -> Json:
    now = context.at.astimezone(context.zone)
    return {
        "resourceType": "DetectedIssue",
        "id": context.new_id(),
        "identifier": [{"system": SID, "value": f"{institution} {rule.code}"}],
        "status": "preliminary",
        "code": known_concept(OUTBREAK, rule.code) | {"text": f"{rule.zh} · {rule.en}"},
        "severity": "high",
        "identifiedDateTime": now.isoformat(timespec="seconds"),
        "implicated": [{"reference": institution}],
        "evidence": evidence,
        "detail": f"{rule.days}日内{people}名入住老人 · {people} residents within {rule.days} days",
    }


async def _told(issue: Json, institution: str, context: Context) -> tuple[Intent, ...]:
    """To the centre for disease control of the county: how many and what, and nobody's name."""
    control = await _control(institution, context)
    if not control:
        return ()
    message = {
        "resourceType": "Communication",
        "id": context.new_id(),
        "identifier": issue["identifier"],
        "status": "completed",
        "category": [issue["code"]],
        "priority": "asap",
        "about": [{"reference": f"DetectedIssue/{issue['id']}"}],
        "sent": issue["identifiedDateTime"],
        "sender": {"reference": institution},
        "recipient": [{"reference": control}],
        "payload": [{"contentString": f"{issue['code']['text']}：{issue['detail']}"}],
    }
    return (created(message, control.partition("/")[2]),)


async def _control(institution: str, context: Context) -> str:
    """An Organization of WS 218 type J100 in the same county, else in the same city."""
    own = await context.read("Organization", institution.partition("/")[2])
    division = _division(own[0]) if own else ""
    found = await context.search("Organization", [("type", _CONTROL)])
    near = {_division(each)[:_COUNTY]: f"Organization/{each['id']}" for each, _ in found}
    return near.get(division[:_COUNTY], "") or near.get(f"{division[:4]}00", "") if division else ""


def _division(organization: Json) -> str:
    extensions = (e for a in organization.get("address", ()) for e in a.get("extension", ()))
    return next((str(e.get("valueCode", "")) for e in extensions if e.get("url") == _DIVISION), "")


def _refused(diagnostics: str, text: str) -> Exception:
    return unprocessable(
        f"DetectedIssue: {diagnostics}", code="business-rule", text=text, expression=("DetectedIssue",)
    )
