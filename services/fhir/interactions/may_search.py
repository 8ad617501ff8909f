"""Whose resources may be asked by: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html

Whoever names criteria learns whether something matches, whatever else is done; so each type that they look at needs the letter `s`.
"""

from collections.abc import Iterable

from services.fhir.outcomes import forbidden
from services.fhir.scopes import SEARCH, permissions
from services.kit.caller import Caller


def check_may_search(caller: Caller, types: Iterable[str]) -> None:
    """Raise 403 for the first type that the scopes do not let be searched."""
    granted = permissions(caller.scopes)
    for named in types:
        if not granted.allow_some(named, SEARCH):
            raise forbidden(
                f"The token's scopes do not cover {named}.{SEARCH}; name the types of chained references",
                text="令牌权限不足；请在链式引用中注明类型",
            )
