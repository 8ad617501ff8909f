"""JSON Patch: https://www.rfc-editor.org/rfc/rfc6902, with the pointers of https://www.rfc-editor.org/rfc/rfc6901

Written here, as the libraries for it lose the digits of numbers or take `true` for `1`.
"""

import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from services.fhir.outcomes import FhirError, bad_request, too_large, unprocessable
from services.fhir.patch.exact import equal, write

MAX_OPERATIONS: Final = 1000
MAX_COPIED_BYTES: Final = 5_000_000  # a few copies of copies would fill any memory
_NEEDS: Final[Mapping[str, str]] = {
    "add": "value",
    "replace": "value",
    "test": "value",
    "move": "from",
    "copy": "from",
    "remove": "path",
}
_INDEX: Final = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_ESCAPE: Final = re.compile(r"~(?![01])")

Pointer = tuple[str, ...]


def json_patch(document: Any, patch: Any) -> Any:
    """The document with all operations applied in order; raise FhirError 400 for no patch, 422 where it does not fit."""
    copied = 0
    for n, operation in enumerate(_checked(patch)):
        path = _pointer(operation["path"], n)
        if operation["op"] == "copy":
            copied += len(write(_value(document, _pointer(operation["from"], n), n)))
            if copied > MAX_COPIED_BYTES:
                raise too_large("The patch copies too much", text="补丁复制的内容过多")
        document = _OPERATIONS[operation["op"]](document, path, operation, n)
    return document


def _checked(patch: Any) -> list[dict[str, Any]]:
    if not isinstance(patch, list):
        raise _malformed("A JSON Patch is an array of operations")
    if len(patch) > MAX_OPERATIONS:
        raise _malformed(f"At most {MAX_OPERATIONS} operations")
    for n, operation in enumerate(patch):
        if not isinstance(operation, dict):
            raise _malformed(f"operation {n} is not an object")
        kind = operation.get("op")
        if not isinstance(kind, str) or kind not in _OPERATIONS:
            raise _malformed(f"operation {n}: op is one of {', '.join(_OPERATIONS)}")
        if not isinstance(operation.get("path"), str):
            raise _malformed(f"operation {n} needs a path")
        if _NEEDS[kind] not in operation:
            raise _malformed(f"operation {n} needs {_NEEDS[kind]}")
    return patch


def _pointer(text: Any, n: int) -> Pointer:
    if not isinstance(text, str) or (text and not text.startswith("/")) or _ESCAPE.search(text):
        raise _malformed(f"operation {n}: not a JSON Pointer")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def _add(document: Any, path: Pointer, operation: Mapping[str, Any], n: int) -> Any:
    return _put(document, path, deepcopy(operation["value"]), n)


def _remove(document: Any, path: Pointer, _operation: Mapping[str, Any], n: int) -> Any:
    if not path:
        raise _misfit(n, "the whole resource cannot be removed")
    _value(document, path, n)
    parent = _value(document, path[:-1], n)
    del parent[path[-1] if isinstance(parent, dict) else int(path[-1])]
    return document


def _replace(document: Any, path: Pointer, operation: Mapping[str, Any], n: int) -> Any:
    value = deepcopy(operation["value"])
    if not path:
        return value
    _value(document, path, n)
    parent = _value(document, path[:-1], n)
    parent[path[-1] if isinstance(parent, dict) else int(path[-1])] = value
    return document


def _move(document: Any, path: Pointer, operation: Mapping[str, Any], n: int) -> Any:
    source = _pointer(operation["from"], n)
    if path[: len(source)] == source and path != source:
        raise _malformed(f"operation {n}: a value cannot move into itself")
    value = _value(document, source, n)
    return document if path == source else _put(_remove(document, source, operation, n), path, value, n)


def _copy(document: Any, path: Pointer, operation: Mapping[str, Any], n: int) -> Any:
    return _put(document, path, deepcopy(_value(document, _pointer(operation["from"], n), n)), n)


def _test(document: Any, path: Pointer, operation: Mapping[str, Any], n: int) -> Any:
    if not equal(_value(document, path, n), operation["value"]):
        raise _misfit(n, "the test failed", "补丁中的 test 不成立")
    return document


_OPERATIONS: Final[Mapping[str, Callable[[Any, Pointer, Mapping[str, Any], int], Any]]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _put(document: Any, path: Pointer, value: Any, n: int) -> Any:
    """Set a member, or insert before the element at an index; `-` is the end of an array."""
    if not path:
        return value
    parent, last = _value(document, path[:-1], n), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(last, len(parent), n), value)
    else:
        raise _misfit(n, "the path leads into a value that has no parts")
    return document


def _value(document: Any, path: Pointer, n: int) -> Any:
    for part in path:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list):
            document = document[_index(part, len(document) - 1, n)]
        else:
            raise _misfit(n, "there is nothing at the path")
    return document


def _index(text: str, last: int, n: int) -> int:
    if not _INDEX.fullmatch(text) or int(text) > last:
        raise _misfit(n, "the array has no such index")
    return int(text)


def _malformed(diagnostics: str) -> FhirError:
    return bad_request(diagnostics, code="structure", text="补丁格式有误")


def _misfit(n: int, diagnostics: str, text: str = "补丁与现有内容不符") -> FhirError:
    return unprocessable(f"operation {n}: {diagnostics}", text=text)
