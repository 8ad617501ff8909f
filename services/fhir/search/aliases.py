"""Other ways to say what a search asks for: an identifier system under its canonical name, a person's by its sound (docs/adr/0024, docs/adr/0028)."""

from services.fhir.naming import canonical_system, canonical_value
from services.fhir.search.names import asked
from services.fhir.search.query import StringValue, TokenValue, Value
from services.fhir.search.targets import value_types
from services.fhir.search.values import Reading


def with_aliases(values: tuple[Value, ...], reading: Reading) -> tuple[Value, ...]:
    """The values, and beside each that says the same in another way what it says."""
    types = value_types(reading.parameter, reading.resource_type)
    if "Identifier" in types:
        return tuple(
            each for value in values for each in (aliases(value) if isinstance(value, TokenValue) else (value,))
        )
    if "HumanName" in types:
        return tuple(_said(value) if isinstance(value, StringValue) else value for value in values)
    return values


def _said(value: StringValue) -> StringValue:
    return StringValue(value.text, value.normalized, asked(value.text))


def aliases(value: TokenValue) -> tuple[TokenValue, ...]:
    if not value.system:
        return (value,)
    system = canonical_system(value.system)
    canonical = TokenValue(system, canonical_value(system, value.code))
    return (value,) if canonical == value else (value, canonical)
