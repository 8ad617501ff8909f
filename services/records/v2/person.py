"""Who a message is about: one Patient per person, by her identifiers (docs/adr/0032); what a message may change of her."""

from typing import Any, Final

from services.fhir.naming import canonical
from services.records.merging import replacing
from services.records.v2.faults import DUPLICATE_KEY, UNKNOWN_KEY, Fault, NotTakenError, Place
from services.records.v2.fill import Filled
from services.records.v2.work import Known, Work

Json = dict[str, Any]

_PID3: Final = Place("PID", field=3)


async def person(work: Work) -> str:
    """A reference to her, with what the message writes of her among the entries."""
    filled = work.filled("PID")
    known = await known_by(work, filled.elements["identifier"], _PID3)
    if known is not None:
        return _updated(known, filled, work)
    if not work.event.creates:
        raise NotTakenError("AE", _unknown(_PID3))
    return _new(filled, work)


async def known_by(work: Work, identifiers: list[Json], place: Place) -> Known | None:
    """The one record within reach that has one of these; NotTakenError where they are those of several."""
    texts = [f"{_escaped(i['system'])}|{_escaped(i['value'])}" for i in identifiers]
    found = [
        each
        for each in await work.found("Patient", ("identifier", ",".join(texts)))
        if replacing(each[0]) is None and any(_is_same(mine, theirs) for mine in identifiers for theirs in each[0].get("identifier", ()))
    ]  # fmt: skip
    if len(found) > 1:
        raise NotTakenError("AE", _several(place))
    return found[0] if found else None


def _is_same(mine: Json, theirs: Json) -> bool:
    """A number that an institution gives counts only where that institution gave it, and after a merge too; another one as long as it is in use."""
    if canonical(mine) != canonical(theirs):
        return False
    ours = mine.get("assigner", {}).get("reference")
    return theirs.get("use") != "old" if ours is None else ours == theirs.get("assigner", {}).get("reference")


def _updated(known: Known, filled: Filled, work: Work) -> str:
    """ADT^A08 says what is so; all others add what is not known yet."""
    body, _ = known
    said = _patient(filled, work)
    identifiers = [*body.get("identifier", ())]
    identifiers += [i for i in said.pop("identifier") if not any(_is_same(i, each) for each in identifiers)]
    changed = (body | said if work.event.act == "update" else said | body) | {"identifier": identifiers}
    if changed == body:
        return f"Patient/{body['id']}"
    return work.replace(known, changed, filled.places)


def _new(filled: Filled, work: Work) -> str:
    """Under the id of her number at the sender, so that two messages at once make one record; her 身份证 makes sure of it too."""
    said = _patient(filled, work)
    own = next((i for i in said["identifier"] if "assigner" in i), None)
    if own is None:
        return work.create(said, filled.places)
    name = work.own_id("Patient", own["system"], own["value"])
    return work.replace(None, said | {"id": name}, filled.places)


def _patient(filled: Filled, work: Work) -> Json:
    said: Json = {"resourceType": "Patient", **filled.elements}
    contacts = [work.filled("NK1", [each]).elements for each in work.message.all("NK1")]
    return said | ({"contact": found} if (found := [each for each in contacts if each]) else {})


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "\\,|$" else character for character in text)


def _unknown(place: Place) -> Fault:
    return Fault(
        place,
        UNKNOWN_KEY,
        f"{place}: nobody with these identifiers is known to the sender; send ADT^A04 or A01 first, or use Patient/$register",
        f"{place}：未找到该患者，请先发送 ADT^A04 或 A01，或以 Patient/$register 登记",
    )


def _several(place: Place) -> Fault:
    return Fault(
        place,
        DUPLICATE_KEY,
        f"{place}: these are the identifiers of several records; merge them by ADT^A40 first",
        f"{place}：这些标识分属多份档案，请先以 ADT^A40 合并",
    )
