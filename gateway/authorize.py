"""May they: which interaction a request is, and whether the scopes of the session hold its letters.

http://hl7.org/fhir/R4/http.html#summary · https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#fhir-resource-scopes
"""

import re
from collections.abc import Mapping

import msgspec

from gateway.scopes import permissions_at_the_door
from gateway.session import Session
from services.fhir.outcomes import bad_request, forbidden, method_not_allowed, not_found
from services.fhir.scopes import ANY, CREATE, DELETE, READ, SEARCH, UPDATE, Permissions
from services.kit.logging import log

_SEGMENT = re.compile(r"[A-Za-z0-9._$*-]{1,256}", re.ASCII)
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}", re.ASCII)
_WORDS = frozenset({"_history", "_search"})
_POSITIONS = ("{type}", "{id}", "{other}", "{version}")

# Path → method → the letters that are needed on its type. The entries of a bundle are checked by who carries them out.
ROUTES: Mapping[str, Mapping[str, str]] = {
    "": {"GET": SEARCH, "POST": ""},
    "_search": {"POST": SEARCH},
    "_history": {"GET": SEARCH},
    "$": {"GET": READ, "POST": READ},
    "$/{id}": {"GET": "", "DELETE": ""},
    "$/{id}/{other}": {"GET": ""},
    "{type}": {"GET": SEARCH, "POST": CREATE, "PUT": UPDATE, "PATCH": UPDATE, "DELETE": DELETE},
    "{type}/_search": {"POST": SEARCH},
    "{type}/_history": {"GET": SEARCH},
    "{type}/$": {"GET": READ, "POST": READ},
    "{type}/{id}": {"GET": READ, "PUT": UPDATE, "PATCH": UPDATE, "DELETE": DELETE},
    "{type}/{id}/_history": {"GET": READ},
    "{type}/{id}/_history/{version}": {"GET": READ},
    "{type}/{id}/$": {"GET": READ, "POST": READ},
    "{type}/{id}/{other}": {"GET": SEARCH},
    "{type}/{id}/{other}/_search": {"POST": SEARCH},
}
REFERRAL_ACTS: tuple[str, ...] = (
    "$submit",
    "$receive",
    "$ask",
    "$answer",
    "$supplement",
    "$accept",
    "$reject",
    "$withdraw",
    "$schedule",
    "$depart",
    "$arrive",
    "$treat",
    "$interim",
    "$pause",
    "$resume",
    "$no-show",
    "$offer-back",
    "$request-cancel",
    "$agree-cancel",
    "$refuse-cancel",
    "$feedback",
    "$acknowledge",
    "$terminate",
    "$request-void",
    "$void",
    "$readdress",
)
# Operations that change something need more than reading; each may ask for more still where it is carried out.
OPERATIONS: Mapping[str, str] = {
    "$validate": "",
    "$meta-add": UPDATE,
    "$meta-delete": UPDATE,
    "$register": CREATE,
    "$match": READ + SEARCH,
    "$merge": UPDATE,
    "$unmerge": UPDATE,
    "$refer": CREATE,
    "$hold": CREATE,
    "$book": CREATE,
    "$state-counts": SEARCH,
    # The acts of a referral: services/referral/operations
    **dict.fromkeys(REFERRAL_ACTS, UPDATE),
    # The acts of an alert: services/care/operations/alerts.py
    "$resolve": UPDATE,
    "$replay": UPDATE,
    "$rotate-secret": UPDATE,
    # Which types the scopes cover is looked at where these are carried out.
    "$export": "",
    "$import": "",
    "$ingest": "",
    "$process-message": "",
    # A report is what is read by it, and that is looked at there too.
    "$evaluate-measure": "",
    "$process-v2": "",
}
# What R4 invokes on the system and the owner of one type answers.
AT_THEIR_TYPE: Mapping[str, str] = {"$process-message": "MessageHeader"}
_CODES = {CREATE: "create", READ: "read", UPDATE: "update", DELETE: "delete"}


class Interaction(msgspec.Struct, frozen=True):
    """`type` is the one whose owner answers, `*` for the whole system; `letters` of `cruds` that it needs.

    `code` is its name in http://hl7.org/fhir/R4/valueset-type-restful-interaction.html, `id` that of the resource: both for the audit.
    `route` is the template of its path, for what is measured.
    """

    type: str
    letters: str
    path: str
    code: str = "operation"
    id: str | None = None
    route: str = ""

    @property
    def is_operation(self) -> bool:
        return "$" in self.path


def read_interaction(method: str, path: str) -> Interaction:
    """Return what a request below the base asks for, or raise 400, 404 or 405. `path` is decoded, without the base."""
    segments = [segment for segment in path.split("/") if segment] if path else []
    for segment in segments:
        if not _SEGMENT.fullmatch(segment) or segment in (".", ".."):
            raise bad_request("A path segment that no FHIR URL has", text="网址路径有误")
    if len(segments) == 1 and segments[0] in AT_THEIR_TYPE:
        segments.insert(0, AT_THEIR_TYPE[segments[0]])
    route, type_name = _route(segments)
    methods = ROUTES.get(route)
    if methods is None:
        raise not_found("No FHIR interaction has such a path", text="网址路径不存在")
    letters = methods.get("GET" if method == "HEAD" else method)
    if letters is None:
        allowed = [*methods, "HEAD"] if "GET" in methods else [*methods]
        raise method_not_allowed(f"Allowed here: {', '.join(allowed)}", headers={"Allow": ", ".join(allowed)})
    if route.endswith("$"):
        letters = OPERATIONS.get(segments[-1], letters)
    identifier = segments[1] if route.startswith("{type}/{id}") and type_name == segments[0] else None
    return Interaction(
        type_name, letters, "/".join(segments), _code(route, segments, method, letters), identifier, route
    )


def authorize(session: Session, interaction: Interaction) -> None:
    """Raise 403 unless the scopes hold every letter; what they hold beyond that is none of this door's business."""
    if _allow(permissions_at_the_door(session.scopes), interaction):
        return
    needed = f"{'user' if session.practitioner else 'system'}/{interaction.type}.{interaction.letters}"
    log("scope.refused", client=session.client, type=interaction.type, code=interaction.letters)
    raise forbidden(
        f"The scopes of this token do not hold {needed}",
        text=f"当前授权范围不允许此操作（需要 {needed}）",
        headers={"WWW-Authenticate": f'Bearer realm="yiyang", error="insufficient_scope", scope="{needed}"'},
    )


def _allow(held: Permissions, asked: Interaction) -> bool:
    """Who carries it out holds each resource to the parameters of the scopes: docs/adr/0049"""
    if asked.is_operation:
        return held.allow_operation(asked.code, asked.type, asked.letters)
    return held.allow_some(asked.type, asked.letters)


def _route(segments: list[str]) -> tuple[str, str]:
    """Return the path with its values replaced by their kinds, and the type that it is about."""
    kinds = []
    type_name = ANY
    for position, segment in enumerate(segments):
        if segment in _WORDS:
            kinds.append(segment)
        elif segment.startswith("$"):
            kinds.append("$")
        else:
            kinds.append(_POSITIONS[position] if position < len(_POSITIONS) else segment)
            if kinds[-1] == "{type}" or (kinds[-1] == "{other}" and kinds[0] == "{type}" and segment != ANY):
                type_name = _checked_type(segment)
            elif kinds[-1] == "{other}":
                type_name = ANY
    return "/".join(kinds), type_name


def _code(route: str, segments: list[str], method: str, letters: str) -> str:
    if "$" in route:
        return next(segment[1:] for segment in segments if segment.startswith("$"))
    if route.endswith("{version}"):
        return "vread"
    level = "instance" if route.startswith("{type}/{id}") else "type" if route.startswith("{type}") else "system"
    if "_history" in route:
        return f"history-{level}"
    if letters == SEARCH:
        return "search-system" if level == "system" else "search-type"
    return "patch" if method == "PATCH" else _CODES.get(letters, "transaction")


def _checked_type(segment: str) -> str:
    if not _TYPE.fullmatch(segment):
        raise not_found("No resource type has such a name", text="资源类型不存在")
    return segment
