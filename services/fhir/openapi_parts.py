"""What the operations of the OpenAPI document are put together from: https://spec.openapis.org/oas/v3.1.0#operation-object"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

Json = dict[str, Any]

_FHIR_JSON: Final = "application/fhir+json"
_SPEC: Final = "http://hl7.org/fhir/R4"

# Handler → what it does, and where R4 says so.
_SAID: Final[Mapping[str, tuple[str, str]]] = {
    "capabilities": ("能力声明 · CapabilityStatement", "http.html#capabilities"),
    "post_bundle": ("批处理或事务 · batch or transaction", "http.html#transaction"),
    "search": ("检索 · search", "http.html#search"),
    "search_by_post": ("检索（表单）· search by POST", "http.html#search"),
    "search_system": ("跨类型检索 · search over types", "http.html#search"),
    "search_system_by_post": ("跨类型检索（表单）· search over types by POST", "http.html#search"),
    "search_compartment": ("患者范围检索 · search a compartment", "http.html#vsearch"),
    "search_compartment_by_post": ("患者范围检索（表单）· search a compartment by POST", "http.html#vsearch"),
    "create": ("新建 · create", "http.html#create"),
    "read": ("读取 · read", "http.html#read"),
    "vread": ("读取某一版本 · read a version", "http.html#vread"),
    "update": ("更新，不存在则新建 · update, or create", "http.html#update"),
    "conditional_update": ("按条件更新 · conditional update", "http.html#cond-update"),
    "patch": ("修补 · patch", "http.html#patch"),
    "conditional_patch": ("按条件修补 · conditional patch", "http.html#patch"),
    "delete": ("删除 · delete", "http.html#delete"),
    "conditional_delete": ("按条件删除 · conditional delete", "http.html#dcreate"),
    "history": ("历史版本 · history", "http.html#history"),
    "status": ("批量任务状态 · status of a bulk job", "async.html"),
    "cancel": ("取消批量任务 · cancel a bulk job", "async.html"),
    "job_file": ("批量任务文件 · file of a bulk job", "async.html"),
}
_WITH_RESOURCE: Final = frozenset({"post_bundle", "create", "update", "conditional_update"})
_WITH_FORM: Final = frozenset(name for name in _SAID if name.endswith("_by_post"))
_WITH_PATCH: Final = frozenset({"patch", "conditional_patch"})
_SEARCHES: Final = frozenset({"search", "search_system", "search_compartment"})
_JOB_ANSWER: Final = {"202": "Accepted"}
_ANSWERS: Final[Mapping[str, dict[str, str]]] = {
    "create": {"201": "Resource"},
    "update": {"200": "Resource", "201": "Resource"},
    "conditional_update": {"200": "Resource", "201": "Resource"},
    "delete": {"204": "Nothing"},
    "conditional_delete": {"204": "Nothing"},
    "get_export": _JOB_ANSWER,
    "post_export": _JOB_ANSWER,
    "post_import": _JOB_ANSWER,
    "status": {"200": "Manifest", "202": "Running"},
    "cancel": {"202": "Nothing"},
    "job_file": {"200": "Lines"},
}
_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "create": ("If-None-Exist", "Prefer", "Idempotency-Key"),
    "post_bundle": ("Prefer", "Idempotency-Key"),
    "update": ("If-Match", "Prefer"),
    "patch": ("If-Match", "Prefer"),
    "delete": ("If-Match",),
    "read": ("If-None-Match",),
}


def query(name: str, description: str) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}


def operation(
    handler: str, resource_type: str, path: str, *, tag: str, extra: Iterable[Json] = (), has_body: bool = False
) -> Json:
    """One operation object; its id is the handler's name and the type's, and unique with the level of the path."""
    summary, place = _SAID.get(handler, (handler, "operations.html"))
    level = "_inside" if "{inner}" in path else "_instance" if "{id}" in path else "_type" if resource_type else ""
    described: Json = {
        "operationId": f"{handler}{level}_{resource_type}".rstrip("_"),
        "tags": [tag],
        "summary": summary,
        "externalDocs": {"url": f"{_SPEC}/{place}"},
        "responses": _responses(handler),
    }
    if parameters := [*_parameters(handler, path), *extra]:
        described["parameters"] = parameters
    if body := _body(handler, has_body=has_body):
        described["requestBody"] = body
    return described


def _parameters(handler: str, path: str) -> list[Json]:
    found: list[Json] = [shared(name) for name in re.findall(r"\{(\w+)\}", path)]
    if handler in _SEARCHES:
        found += [
            shared(name) for name in ("_count", "_sort", "_include", "_revinclude", "_total", "_summary", "_elements")
        ]
    if handler == "history":
        found += [shared(name) for name in ("_count", "_since")]
    return found + [shared(name) for name in _HEADERS.get(handler, ())]


def shared(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


def _body(handler: str, *, has_body: bool) -> Json | None:
    if handler in _WITH_RESOURCE or has_body:
        return {"$ref": "#/components/requestBodies/Resource"}
    if handler in _WITH_FORM:
        return {"$ref": "#/components/requestBodies/Criteria"}
    return {"$ref": "#/components/requestBodies/Patch"} if handler in _WITH_PATCH else None


def _responses(handler: str) -> Json:
    named = _ANSWERS.get(handler, {"200": "Resource"}) | {"default": "Outcome"}
    return {status: {"$ref": f"#/components/responses/{name}"} for status, name in named.items()}


def other_media(kinds: Iterable[str]) -> Json:
    """The answers of an operation that gives a page or a file."""
    content = {kind: {"schema": {"type": "string"} if kind.startswith("text/") else {}} for kind in kinds}
    return {
        "200": {"description": "版面 · the page", "content": content},
        "default": {"$ref": "#/components/responses/Outcome"},
    }


def _resource(description: str, **more: Any) -> Json:
    return {
        "description": description,
        "content": {_FHIR_JSON: {"schema": {"$ref": "#/components/schemas/Resource"}}},
        **more,
    }


def _header(description: str) -> Json:
    return {"description": description, "schema": {"type": "string"}}


def _parameter(name: str, place: str, description: str) -> Json:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": {"type": "string"},
    }


_PARAMETERS: Final = (
    ("id", "path", "编号 · logical id"),
    ("version", "path", "版本 · version id"),
    ("file", "path", "文件 · file"),
    ("inner", "path", "资源类型或 * · resource type or *"),
    ("_count", "query", "每页条数 · page size"),
    ("_sort", "query", "排序 · sort keys, `-` descending"),
    ("_include", "query", "包含引用的资源 · Type:parameter[:Target]"),
    ("_revinclude", "query", "包含引用本资源的资源 · Type:parameter[:Target]"),
    ("_total", "query", "总数 · none, estimate or accurate"),
    ("_summary", "query", "摘要 · true, text, data, count or false"),
    ("_elements", "query", "元素 · element names"),
    ("_since", "query", "起始时间 · instant"),
    ("If-Match", "header", '版本标识 · W/"3"'),
    ("If-None-Match", "header", '版本标识 · W/"3"'),
    ("If-None-Exist", "header", "不存在时新建 · criteria of a conditional create"),
    (
        "Idempotency-Key",
        "header",
        "幂等键，同键同文只生效一次 · one effect, however often it is sent; kept at least 7 days",
    ),
    ("Prefer", "header", "return=minimal, representation or OperationOutcome; handling=strict; respond-async"),
)
_RESOURCE: Final[Json] = {
    "type": "object",
    "description": "R4 资源 · a resource: http://hl7.org/fhir/R4/resourcelist.html",
    "required": ["resourceType"],
    "properties": {"resourceType": {"type": "string"}, "id": {"type": "string"}},
    "additionalProperties": True,
}
_ANY: Final[Json] = {"schema": {}}

COMPONENTS: Final[Json] = {
    "parameters": {name: _parameter(name, place, text) for name, place, text in _PARAMETERS},
    "schemas": {"Resource": _RESOURCE},
    "requestBodies": {
        "Resource": _resource("资源 · a resource"),
        "Criteria": {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}},
        "Patch": {"content": {"application/json-patch+json": _ANY, _FHIR_JSON: _ANY}},
    },
    "responses": {
        "Resource": _resource(
            "资源 · a resource", headers={"ETag": _header("版本 · version"), "Location": _header("位置 · place")}
        ),
        "Outcome": _resource("问题 · an OperationOutcome that says what is wrong"),
        "Nothing": {"description": "已删除 · deleted"},
        "Accepted": _resource(
            "已受理 · accepted", headers={"Content-Location": _header("任务状态 · status of the job")}
        ),
        "Running": {"description": "进行中 · under way", "headers": {"X-Progress": _header("进度 · progress")}},
        "Manifest": {"description": "清单 · the files", "content": {"application/json": _ANY}},
        "Lines": {"description": "每行一个资源 · a resource a line", "content": {"application/fhir+ndjson": _ANY}},
    },
    "securitySchemes": {
        "smart": {
            "type": "http",
            "scheme": "bearer",
            "description": "SMART 后端服务令牌 · access token of POST /auth/token",
        }
    },
}
