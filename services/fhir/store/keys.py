"""The elements of `tokens` that a value asks for: http://hl7.org/fhir/R4/search.html#token"""

from services.fhir.search.keys import of_type_key, text_key, token_key
from services.fhir.search.query import OfTypeValue, ReferenceValue, TokenValue, UriValue, Value


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
