"""403 for what the scopes of a caller do not cover, said one way: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html"""

from collections.abc import Iterable

from services.fhir.outcomes import FhirError, forbidden
from services.fhir.scopes import SEARCH, permissions
from services.kit.caller import Caller


def check_whole(caller: Caller, resource_type: str, letters: str) -> None:
    """A scope with parameters does not do: what is made of the resources is not held to them (docs/adr/0049)."""
    if not permissions(caller.scopes).allow(resource_type, letters):
        raise not_covered(resource_type, letters)


def check_some(caller: Caller, resource_type: str, letters: str) -> None:
    """The same where each resource is held to the parameters of the scopes."""
    if not permissions(caller.scopes).allow_some(resource_type, letters):
        raise not_covered(resource_type, letters)


def check_operation(caller: Caller, name: str, resource_type: str, letters: str) -> None:
    """`name` is without its `$`."""
    if not permissions(caller.scopes).allow_operation(name, resource_type, letters):
        raise not_covered(resource_type, letters)


def check_may_search(caller: Caller, types: Iterable[str]) -> None:
    """Whoever names criteria learns whether something matches, whatever else is done; so each type that they look at needs the letter `s`."""
    granted = permissions(caller.scopes)
    for named in types:
        if not granted.allow_some(named, SEARCH):
            raise forbidden(
                f"The token's scopes do not cover {named}.{SEARCH}; name the types of chained references",
                text="令牌权限不足；请在链式引用中注明类型",
            )


def not_covered(resource_type: str, letters: str) -> FhirError:
    return forbidden(f"The token's scopes do not cover {resource_type}.{letters}", text="令牌权限不足")
