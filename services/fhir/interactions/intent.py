"""One write as asked for, before anything of it is known to be right: http://hl7.org/fhir/R4/http.html#summary"""

from typing import Any, Final, Literal

import msgspec

Json = dict[str, Any]
Method = Literal["POST", "PUT", "PATCH", "DELETE"]

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Intent(msgspec.Struct, frozen=True):
    """A create's `id` is empty unless somebody has settled it already: the coordinator of a transaction, or a decision.

    `patch` is the content type of a PATCH's body. A conditional update's body may name no id, and one that matched nothing
    must be new under the id that it names. What comes `by_platform` is the platform's own part of a commit: it may write what the
    caller may not, and nobody decides on it again. `author` is the organization for which the platform writes a first version: who sees it.
    """

    method: Method
    type: str
    id: str = ""
    body: bytes = b""
    if_match: str | None = None
    if_none_match: str | None = None
    patch: str = ""
    names_no_id: bool = False
    is_new: bool = False
    by_platform: bool = False
    author: str = ""
    resource: Json | None = None
    """What the body says, where who asks in this process has parsed and validated it already."""


def created(resource: Json, author: str = "") -> Intent:
    """A new resource, under the `id` in it where there is one: a decision may need to name what it makes."""
    return Intent("POST", resource["resourceType"], resource.get("id", ""), _encode(resource), author=author)


def changed(resource: Json, version: int) -> Intent:
    """The version that follows `version`, of which `resource` was made; when another one came first all is decided again."""
    return Intent("PUT", resource["resourceType"], resource["id"], _encode(resource), if_match=f'W/"{version}"')


def laid_down(resource: Json) -> Intent:
    """Under its id, be there nothing yet or a deletion: for what nobody but the platform writes."""
    return Intent("PUT", resource["resourceType"], resource["id"], _encode(resource))


def deleted(resource_type: str, resource_id: str, version: int) -> Intent:
    return Intent("DELETE", resource_type, resource_id, if_match=f'W/"{version}"')
