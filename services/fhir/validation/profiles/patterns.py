"""fixed[x] and pattern[x]: http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_"""

from typing import Any


def matches(value: Any, pattern: Any) -> bool:
    """Tell whether the value has all that the pattern has: each of its members, each item of its arrays somewhere."""
    if pattern.__class__ is dict:
        return value.__class__ is dict and all(
            name in value and matches(value[name], part) for name, part in pattern.items()
        )
    if pattern.__class__ is list:
        return value.__class__ is list and all(any(matches(item, part) for item in value) for part in pattern)
    return value.__class__ is pattern.__class__ and bool(value == pattern)
