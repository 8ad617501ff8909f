"""How a guard says no: the element at fault, Chinese and English for people, English for engineers."""

from services.fhir.outcomes import FhirError, Issue, conflict, forbidden, unprocessable


def lacks(element: str, english: str, chinese: str) -> FhirError:
    """422: what must accompany the act is not there, or is not what it must be."""
    return unprocessable(english, code="business-rule", text=f"{chinese} · {english}", expression=(element,))


def all_of(issues: tuple[Issue, ...]) -> FhirError:
    return FhirError(422, issues)


def taken(element: str, english: str, chinese: str) -> FhirError:
    """409: somebody else has what the act needs."""
    return conflict(english, code="conflict", text=f"{chinese} · {english}", expression=(element,))


def not_permitted(element: str, english: str, chinese: str) -> FhirError:
    return forbidden(english, text=f"{chinese} · {english}", expression=(element,))
