"""The text of one index element, the same for the writer and for the query: http://hl7.org/fhir/R4/search.html#token"""

from hashlib import sha256

from services.fhir.search.query import OfTypeValue, ReferenceValue, TokenValue, UriValue, Value

MAX_STRING = 200
_MAX_KEY = 500  # characters; GIN refuses items over 2704 bytes
_KEPT = 400
_ESCAPES = str.maketrans({"\\": "\\\\", "|": "\\|"})


def token_key(parameter: str, system: str | None, code: str | None) -> str:
    """`code=c` any system, `code=s|c`, `code=|c` no system, `code=s|` any code of the system."""
    if system is None:
        return _bounded(f"{parameter}={_escaped(code or '')}")
    return _bounded(f"{parameter}={_escaped(system)}|{_escaped(code or '')}")


def of_type_key(parameter: str, system: str, code: str, value: str) -> str:
    """`identifier:of-type=s|c|v`."""
    return _bounded(f"{parameter}:of-type={_escaped(system)}|{_escaped(code)}|{_escaped(value)}")


def canonical_key(parameter: str, url: str) -> str:
    """`questionnaire:canonical=url|version`: the reference as it stands, by which it resolves."""
    return _bounded(f"{parameter}:canonical={url}")


def contained_key(parameter: str, resource_type: str) -> str:
    """Mark a reference to a resource inside the same one: `medication:contained=Medication`."""
    return f"{parameter}:contained={resource_type}"


def text_key(parameter: str, text: str) -> str:
    """`subject=Patient/1`, `url=http://…`, `questionnaire=url|version`: compared whole, so nothing is escaped."""
    return _bounded(f"{parameter}={text}")


def exact_key(parameter: str, text: str) -> str:
    return _bounded(f"{parameter}:exact={text}")


def present_key(parameter: str) -> str:
    """Mark an element that is there without a value to compare, so that `:missing` knows of it."""
    return f"{parameter}:present"


def string_key(parameter: str, normalized: str) -> str:
    return f"{parameter}\x1f{normalized[:MAX_STRING]}"


def _escaped(part: str) -> str:
    return part.translate(_ESCAPES) if "|" in part or "\\" in part else part


def _bounded(key: str) -> str:
    """Keep equality for texts that are too long for the index: their end becomes a digest."""
    if len(key) <= _MAX_KEY:
        return key
    return f"{key[:_KEPT]}\x1f{sha256(key.encode()).hexdigest()}"


def keys_of(parameter: str, value: Value) -> tuple[str, ...]:
    match value:
        case TokenValue(system, code):
            return (token_key(parameter, system, code),)
        case ReferenceValue(references):
            return tuple(text_key(parameter, r) for r in references)
        case UriValue(uri):
            return (text_key(parameter, uri),)
        case OfTypeValue(system, code, text):
            return (of_type_key(parameter.removesuffix(":of-type"), system, code, text),)
        case _:
            raise TypeError(type(value).__name__)
