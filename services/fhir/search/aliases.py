"""Other ways to say what a search asks for: an identifier system under its canonical name (docs/adr/0024)."""

from services.fhir.naming import canonical_system, canonical_value
from services.fhir.search.query import TokenValue, Value
from services.fhir.search.targets import value_types
from services.fhir.search.values import Reading


def with_aliases(values: tuple[Value, ...], reading: Reading) -> tuple[Value, ...]:
    """The values, and beside each that says the same in another way what it says."""
    parameter = reading.parameter
    if parameter.type != "token" or "Identifier" not in value_types(parameter, reading.resource_type):
        return values
    return tuple(each for value in values for each in (aliases(value) if isinstance(value, TokenValue) else (value,)))


def aliases(value: TokenValue) -> tuple[TokenValue, ...]:
    if not value.system:
        return (value,)
    system = canonical_system(value.system)
    canonical = TokenValue(system, canonical_value(system, value.code))
    return (value,) if canonical == value else (value, canonical)
