"""What an operation was given: URL parameters, or the parts of a Parameters body: http://hl7.org/fhir/R4/parameters.html"""

from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from services.fhir.outcomes import FhirError, bad_request
from services.fhir.request import Answer, FhirRequest
from services.fhir.validation import parse, validate

Json = dict[str, Any]

_PASSED_OVER: Final = frozenset({"_format", "_pretty"})  # the rendering of the answer uses them
_FLAGS: Final = {"true": True, "false": False}
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Inputs:
    """Values by name, from the URL and from the body together; what is not understood raises 400 by its name."""

    def __init__(self, parts: list[Json]) -> None:
        self._parts = parts

    def check_known(self, known: Collection[str]) -> None:
        """Nothing that was asked is passed over in silence."""
        for part in self._parts:
            if part["name"] not in known:
                raise bad_request(
                    f"{part['name']}: not a parameter that this operation takes here",
                    code="not-supported",
                    text="此操作不支持该参数",
                )

    def texts(self, name: str) -> list[str]:
        """Every value of a primitive parameter, as text; one given as several lists in the URL counts part by part."""
        return [_text(value) for value in self._values(name) if not isinstance(value, dict)]

    def text(self, name: str) -> str | None:
        texts = dict.fromkeys(self.texts(name))
        if len(texts) > 1:
            raise invalid(name, "given more than once", "重复给出")
        return next(iter(texts), None)

    def flag(self, name: str) -> bool | None:
        text = self.text(name)
        if text is not None and text not in _FLAGS:
            raise invalid(name, "true or false", "应为 true 或 false")
        return None if text is None else _FLAGS[text]

    def number(self, name: str) -> int | None:
        """A whole number, not below zero."""
        text = self.text(name)
        if text is not None and not (text.isascii() and text.isdigit() and len(text) <= 9):  # noqa: PLR2004
            raise invalid(name, "a whole number", "应为非负整数")
        return None if text is None else int(text)

    def element(self, name: str) -> Json | None:
        """A value of a complex type, such as a Coding."""
        return next(iter(self.elements(name)), None)

    def elements(self, name: str) -> list[Json]:
        return [value for value in self._values(name) if isinstance(value, dict)]

    def resource(self, name: str, resource_type: str) -> Json | None:
        for part in self._parts:
            if part["name"] == name and "resource" in part:
                resource: Json = part["resource"]
                if resource.get("resourceType") != resource_type:
                    raise invalid(name, f"a {resource_type}", f"应为 {resource_type}")
                return resource
        return None

    def parts(self, name: str) -> list[Json]:
        """The parameters of this name as they were sent: `valueX`, `resource` or `part`."""
        return [part for part in self._parts if part["name"] == name]

    def groups(self, name: str) -> Iterator["Inputs"]:
        """The parts of each parameter that has parts."""
        return (Inputs(part["part"]) for part in self._parts if part["name"] == name and "part" in part)

    def _values(self, name: str) -> list[Any]:
        return [
            value
            for part in self._parts
            if part["name"] == name
            for key, value in part.items()
            if key.startswith("value")
        ]


def read_inputs(request: FhirRequest) -> Inputs:
    given = [{"name": k, "valueString": v} for k, v in request.parameters if v and k not in _PASSED_OVER]
    if request.method == "POST" and request.body and not request.is_form:
        request.check_json_body()
        body = parse(request.body, "Parameters")
        validate(body)
        given += body.get("parameter", ())
    return Inputs(given)


def invalid(name: str, diagnostics: str, text: str) -> FhirError:
    return bad_request(f"{name}: {diagnostics}", code="value", text=f"{name}：{text}")


def parameters(*parts: Json) -> Answer:
    """The answer of an operation whose result is no resource; decimals keep their digits."""
    return resource_answer({"resourceType": "Parameters", "parameter": [p for p in parts if p]})


def resource_answer(resource: Json) -> Answer:
    return Answer(200, _encode(resource))


def _text(value: Any) -> str:
    return (
        ("true" if value else "false")
        if isinstance(value, bool)
        else format(value, "f")
        if isinstance(value, Decimal)
        else str(value)
    )
