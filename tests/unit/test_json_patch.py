"""JSON Patch as RFC 6902 says, on a body that keeps its digits: https://www.rfc-editor.org/rfc/rfc6902"""

import json
from typing import Any

import pytest

from services.fhir.outcomes import FhirError
from services.fhir.patch import JSON_PATCH, apply_patch

BODY = b'{"resourceType":"Basic","a":[1,2,3],"b":{"c":1.00,"d":"x"},"e":12345678901234567890.12345,"f":1.0E+2,"~":1}'


def patched(*operations: Any, body: bytes = BODY) -> bytes:
    return apply_patch(body, JSON_PATCH, json.dumps(list(operations)).encode())


def refused(*operations: Any) -> FhirError:
    with pytest.raises(FhirError) as failure:
        patched(*operations)
    return failure.value


@pytest.mark.parametrize(
    ("operation", "path", "result"),
    [
        ({"op": "add", "path": "/a/1", "value": 9}, "a", [1, 9, 2, 3]),
        ({"op": "add", "path": "/a/-", "value": 9}, "a", [1, 2, 3, 9]),
        ({"op": "add", "path": "/a/3", "value": 9}, "a", [1, 2, 3, 9]),
        ({"op": "add", "path": "/b/d", "value": "y"}, "b", {"c": 1.0, "d": "y"}),
        ({"op": "add", "path": "/n", "value": {"m": [None]}}, "n", {"m": [None]}),
        ({"op": "remove", "path": "/a/0"}, "a", [2, 3]),
        ({"op": "remove", "path": "/b/d"}, "b", {"c": 1.0}),
        ({"op": "replace", "path": "/b", "value": 7}, "b", 7),
        ({"op": "replace", "path": "/a/2", "value": 7}, "a", [1, 2, 7]),
        ({"op": "move", "from": "/a/0", "path": "/a/2"}, "a", [2, 3, 1]),
        ({"op": "move", "from": "/b/d", "path": "/g"}, "g", "x"),
        ({"op": "move", "from": "/b/d", "path": "/b/d"}, "b", {"c": 1.0, "d": "x"}),
        ({"op": "copy", "from": "/a", "path": "/g"}, "g", [1, 2, 3]),
        ({"op": "replace", "path": "/~0", "value": 2}, "~", 2),
        ({"op": "test", "path": "/b/c", "value": 1}, "b", {"c": 1.0, "d": "x"}),
        ({"op": "test", "path": "/b", "value": {"d": "x", "c": 1.0}}, "a", [1, 2, 3]),
    ],
)
def test_each_operation_does_what_its_section_says(operation: Any, path: str, result: Any) -> None:
    assert json.loads(patched(operation))[path] == result


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a/0", "value": 2},
        {"op": "test", "path": "/a/0", "value": True},
        {"op": "test", "path": "/a/0", "value": "1"},
        {"op": "test", "path": "/nothing", "value": None},
        {"op": "remove", "path": "/nothing"},
        {"op": "remove", "path": "/a/3"},
        {"op": "remove", "path": "/a/-"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "/nothing", "value": 1},
        {"op": "add", "path": "/a/4", "value": 1},
        {"op": "add", "path": "/a/01", "value": 1},
        {"op": "add", "path": "/b/d/e", "value": 1},
        {"op": "move", "from": "/nothing", "path": "/g"},
        {"op": "copy", "from": "/a/9", "path": "/g"},
        {"op": "replace", "path": "", "value": 1},
    ],
)
def test_what_does_not_fit_the_resource_is_422(operation: Any) -> None:
    assert refused(operation).status == 422


@pytest.mark.parametrize(
    "operation",
    [
        7,
        {},
        {"op": "increment", "path": "/a"},
        {"op": ["add"], "path": "/a"},
        {"op": "add", "path": "/a"},
        {"op": "add", "value": 1},
        {"op": "add", "path": 1, "value": 1},
        {"op": "move", "path": "/a"},
        {"op": "move", "path": "/a", "from": 1},
        {"op": "move", "from": "/b", "path": "/b/d"},
        {"op": "test", "path": "/a"},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "/a~2", "value": 1},
    ],
)
def test_what_is_no_patch_is_400(operation: Any) -> None:
    assert refused(operation).status == 400


@pytest.mark.parametrize(
    "patch", [b"", b"{}", b"null", b"[", b'[{"op":"add","op":"test"}]', b"[NaN]", b'["\xff"]', b'["\\ud800"]']
)
def test_what_is_no_json_array_is_400(patch: bytes) -> None:
    with pytest.raises(FhirError) as failure:
        apply_patch(BODY, JSON_PATCH, patch)
    assert failure.value.status == 400


def test_what_is_left_alone_keeps_every_byte() -> None:
    sent = b'{"resourceType" : "Basic", "a" : [ 1.00 ], "text":"\\u4e2d", "b":{"c":1.0E+2,"d":[0.010, -0]}}'
    result = patched({"op": "replace", "path": "/b/d/1", "value": 5}, body=sent)
    assert result == b'{"resourceType":"Basic","a":[ 1.00 ],"text":"\\u4e2d","b":{"c":1.0E+2,"d":[0.010,5]}}'


def test_numbers_of_the_patch_keep_their_digits() -> None:
    result = apply_patch(
        BODY, JSON_PATCH, b'[{"op":"add","path":"/b/c","value":{"v":2.50E-3,"w":123456789012345678901234567890}}]'
    )
    assert b'{"v":2.50E-3,"w":123456789012345678901234567890}' in result


def test_copies_of_copies_end() -> None:
    double = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 60
    assert refused(*double).status == 413
    deeper = [{"op": "copy", "from": "", "path": "/g"}] * 1000
    assert refused(*deeper).status in (400, 413)
