"""Why a search is refused; the parameter is named, its value never: http://hl7.org/fhir/R4/search.html#errors"""

from services.fhir.outcomes import FhirError, bad_request

_LONGEST_NAME = 100


def invalid(name: str, why: str, text: str) -> FhirError:
    """Make a 400 for a value that does not say what its parameter needs."""
    return bad_request(f"Search parameter {_short(name)}: {why}", text=f"检索参数 {_short(name)}：{text}", code="value")


def unsupported(name: str, why: str, text: str) -> FhirError:
    """Make a 400 for what R4 has and this server does not."""
    return bad_request(
        f"Search parameter {_short(name)}: {why}", text=f"检索参数 {_short(name)}：{text}", code="not-supported"
    )


def unknown(name: str, resource_type: str) -> FhirError:
    return bad_request(
        f"Search parameter {_short(name)} is unknown for {resource_type}",
        text=f"{resource_type} 没有检索参数 {_short(name)}",
        code="not-supported",
    )


def too_many(what: str, text: str, limit: int) -> FhirError:
    return bad_request(
        f"A search takes at most {limit} {what}", text=f"检索最多允许 {limit} 个{text}", code="too-costly"
    )


def _short(name: str) -> str:
    return name[:_LONGEST_NAME]
