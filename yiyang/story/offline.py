"""What the home recorded while its network was down, pushed as one batch with a receipt for each record: docs/care-records.md"""

from collections.abc import Iterator
from typing import Final

from yiyang.story import terms
from yiyang.story.elder import Elder
from yiyang.story.elements import Calendar, Json, concept, quantity
from yiyang.story.institutions import HOME
from yiyang.story.month import CARE, PULSE
from yiyang.story.stage import Player, Stage
from yiyang.story.terms import category, local, loinc, meta

RECORDS: Final = f"{terms.CANONICAL}/sid/demo-care-record"
HOURS: Final = 12
_LATE: Final = HOURS  # the number of the reading whose clock is ahead
_BARE: Final = HOURS + 1  # and of the one without a unit


async def push(stage: Stage, home: Player, elder: Elder, calendar: Calendar) -> None:
    """Two of them are wrong and are told; the rest is stored. Sent again nothing changes."""
    stage.chapter("断网半天，补传照护记录", "half a day without a network, then one batch")
    records = [*_records(elder, calendar)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in records]}
    good = len(records) - 2
    answers = await home.post("Bundle/$ingest", bundle, f"{len(records)} 条，逐条回执 · a receipt for each", expect=200)
    statuses = [entry["response"]["status"][:3] for entry in answers["entry"]]
    stage.check(statuses.count("201") == good, f"已保存 {good} 条 · {good} are stored")
    for n in (_LATE, _BARE):
        issue = answers["entry"][n]["response"]["outcome"]["issue"][0]
        stage.check(statuses[n] == "422", issue["details"]["text"])
    again = await home.post("Bundle/$ingest", bundle, "整批重发 · the whole batch again", expect=200)
    statuses = [entry["response"]["status"][:3] for entry in again["entry"]]
    stage.check(
        statuses.count("200") == good and "201" not in statuses, "均已收到，未重复写入 · nothing is stored twice"
    )


def _records(elder: Elder, calendar: Calendar) -> Iterator[Json]:
    for n in range(HOURS):
        hours_ago = 30 + HOURS - n
        yield _pulse(elder, n, calendar.ago(60 * hours_ago)) if n % 2 else _care(elder, n, hours_ago, calendar)
    yield _pulse(elder, _LATE, calendar.ago(-600))
    bare = _pulse(elder, _BARE, calendar.ago(60 * 29))
    yield bare | {"valueQuantity": {"value": 76}}


def _pulse(elder: Elder, number: int, when: str) -> Json:
    code, name, unit, ucum = PULSE
    return _record("Observation", "yiyang-vital-signs", elder, number) | {
        "status": "final",
        "category": [category("vital-signs", "Vital Signs")],
        "code": concept(loinc(code, name)),
        "effectiveDateTime": when,
        "performer": [HOME.member("caregiver")],
        "valueQuantity": quantity(70 + number % 5, unit, ucum),
    }


def _care(elder: Elder, number: int, hours_ago: int, calendar: Calendar) -> Json:
    return _record("Procedure", "yiyang-daily-care", elder, number) | {
        "status": "completed",
        "code": concept(local("care-item", *CARE[number % len(CARE)])),
        "performedDateTime": calendar.ago(60 * hours_ago),
        "performer": [{"actor": HOME.member("caregiver"), "onBehalfOf": HOME.reference}],
    }


def _record(resource_type: str, profile: str, elder: Elder, number: int) -> Json:
    """Of the elder by the number under which her health record is kept; the home's own number makes it one record."""
    return {
        "resourceType": resource_type,
        "meta": meta(profile, HOME.id),
        "identifier": [{"system": RECORDS, "value": f"{elder.record_number}-{number}"}],
        "subject": {"identifier": {"system": terms.HEALTH_RECORD, "value": elder.record_number}},
    }
