"""What a guard looks at: the act, both versions, and all that was read for them, so that every guard is a pure function."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

import msgspec

from services.fhir.elements import id_in, reference_in
from services.fhir.search.parameters import patient_reference
from services.referral.agreements import Agreement
from services.referral.clocks import Running
from services.referral.codes import INPUT, OUTPUT, direction_of, values

Json = dict[str, Any]

_BEIJING: Final = timezone(timedelta(hours=8))


class New(msgspec.Struct, frozen=True):
    """An input or output that this version adds: where it stands, what it is."""

    element: str
    value: Any

    @property
    def reference(self) -> str:
        return reference_in(self.value)


class Facts(msgspec.Struct, frozen=True):
    """One change of a referral Task. `named` are resources by `Type/id`, `siblings` the other Tasks of the same request.

    `twin` is the active request of the same kind, `numbered` says that another one has the number, `elsewhere` the Task by which the elder is at another place.
    """

    before: Json | None
    after: Json
    request: Json
    running: Running
    at: datetime
    organization: str
    person: str | None = None
    is_platform: bool = False
    named: Mapping[str, Json] = {}
    siblings: tuple[Json, ...] = ()
    aborts: tuple[Json, ...] = ()
    agreement: Agreement | None = None
    sender: str = ""
    is_signed: bool = False
    administrator: str | None = None
    twin: str | None = None
    numbered: str | None = None
    elsewhere: str | None = None

    @property
    def patient(self) -> str:
        return reference_in(self.after.get("for"))

    @property
    def placer(self) -> str:
        return id_in(self.after.get("requester"), "Organization") or ""

    @property
    def fulfiller(self) -> str:
        return id_in(self.after.get("owner"), "Organization") or ""

    @property
    def direction(self) -> str:
        return direction_of(self.request) or ""

    @property
    def is_stat(self) -> bool:
        return bool(self.request.get("priority") == "stat")

    @property
    def is_retrospective(self) -> bool:
        """先救治后补录: what was done comes before it was ordered."""
        occurred = self.request.get("occurrenceDateTime") or self.request.get("occurrencePeriod", {}).get("start")
        begins, ordered = _seconds(str(occurred or "")), _seconds(str(self.request.get("authoredOn", "")))
        return begins is not None and ordered is not None and begins < ordered

    def new_inputs(self, code: str = "") -> list[New]:
        return [*self._added("input", INPUT, code)]

    def new_outputs(self, code: str = "") -> list[New]:
        return [*self._added("output", OUTPUT, code)]

    def input_values(self, code: str) -> list[New]:
        """All of them, those of earlier versions too."""
        found = values(self.after.get("input"), INPUT, code)
        return [New(f"Task.input[{place}].value", value) for place, value in found]

    def _added(self, element: str, system: str, code: str) -> Iterator[New]:
        known = len((self.before or {}).get(element, ()))
        listed = self.after.get(element, ())
        places = [p for p, _ in values(listed, system, code)] if code else range(len(listed))
        for place in places:
            if place >= known:
                value = next((v for k, v in listed[place].items() if k.startswith("value")), None)
                yield New(f"Task.{element}[{place}].value", value)


def subject_of(resource: Json) -> str:
    """`Patient/id` of whom a resource is about; of a document, of its Composition; empty where it is about nobody."""
    if resource["resourceType"] == "Bundle":
        entry: Json = next(iter(resource.get("entry", ())), {})
        first = entry.get("resource")
        return subject_of(first) if first else ""
    if resource["resourceType"] == "Appointment":
        actors = [reference_in(each.get("actor")) for each in resource.get("participant", ())]
        return next((actor for actor in actors if actor.startswith("Patient/")), "")
    text = patient_reference(resource["resourceType"])(resource)
    return reference_in({"reference": text}) if text else ""


def _seconds(text: str) -> float | None:
    """None for what says no day; a time without a zone is Beijing's."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=_BEIJING)).timestamp()
