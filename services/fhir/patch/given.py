"""The values of a FHIRPath Patch, and how they are put in: http://hl7.org/fhir/R4/fhirpatch.html

A value is `value[x]`, a resource, or parts where R4 has no data type for it, as for the elements of a backbone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from services.fhir.definitions import property_of
from services.fhir.outcomes import FhirError, unprocessable
from services.fhir.patch import lists
from services.fhir.patch.places import Place, json_names, property_for, refused

_SPECIALIZED: Final[Mapping[str, frozenset[str]]] = {
    "string": frozenset({"code", "id", "markdown"}),
    "uri": frozenset({"url", "canonical", "oid", "uuid"}),
    "integer": frozenset({"positiveInt", "unsignedInt"}),
    "Quantity": frozenset({"Age", "Count", "Distance", "Duration"}),
    "xhtml": frozenset({"string"}),  # Parameters have no value of its own for it
}


class Given(msgspec.Struct, frozen=True):
    """`type` is that of value[x], None for parts; `beside` holds a primitive's id and extensions."""

    json: Any
    beside: Any = None
    type: str | None = None
    parts: Sequence[Mapping[str, Any]] = ()

    def of(self, type_: str) -> "Given":
        """The value as one of this type; 422 when it is of another."""
        if self.type is not None:
            if self.type != type_ and self.type not in _SPECIALIZED.get(type_, ()):
                raise misfit(f"the element is a {type_}, not a {self.type}")
            return self
        made = Place({"": {}}, "", None, type_)
        for part in self.parts:
            put(made, str(part.get("name")), given(part))
        return Given(made.value, type=type_)


def given(parameter: Mapping[str, Any]) -> Given:
    if "resource" in parameter:
        return Given(parameter["resource"], type="Resource")
    if "part" in parameter:
        return Given(None, parts=parameter["part"])
    for name in parameter:
        plain = name.removeprefix("_")
        if plain.startswith("value") and (known := property_of("Parameters.parameter", plain)):
            return Given(parameter.get(plain), parameter.get(f"_{plain}"), known[1])
    raise refused("a value is missing")


def put(target: Place, name: str, value: Given) -> None:
    """Append to a repeating element; set one that does not repeat and is not there."""
    json_name, element, type_ = property_for(target, name, value.type)
    value, holder = value.of(type_), target.parts
    if element.max != 1:
        lists.insert(holder, json_name, lists.length(holder, json_name), value.json, value.beside)
        return
    if any(n in holder or f"_{n}" in holder for n, _ in json_names(target, name)):
        raise misfit(f"{name} is there already; replace it")
    if value.json is not None:
        holder[json_name] = value.json
    if value.beside is not None:
        holder[f"_{json_name}"] = value.beside


def misfit(diagnostics: str) -> FhirError:
    return unprocessable(diagnostics, text="补丁与现有内容不符")
