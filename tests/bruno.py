"""Performs the requests of a Bruno collection as the app does, as far as ours need it: https://docs.usebruno.com/bru-lang/overview"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

_BLOCK = re.compile(r"^([a-z][a-z:-]*) ([{\[])\n(.*?)^[}\]]$", re.MULTILINE | re.DOTALL)
_VARIABLE = re.compile(r"\{\{(\$?\w+)\}\}")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\['([^']+)'\]")
_METHODS = ("get", "post", "put", "patch", "delete")


class Bruno:
    """`variables` are those of the environment; responses add theirs."""

    def __init__(self, **variables: str) -> None:
        self.variables = variables

    async def perform(self, file: Path, http: httpx.AsyncClient) -> httpx.Response:
        """Every assertion of the file holds, or an AssertionError says which does not."""
        blocks = {name: text for name, _, text in _BLOCK.findall(file.read_text(encoding="utf-8"))}
        method = next(name for name in _METHODS if name in blocks)
        request = _pairs(blocks[method])
        headers = {name: self._filled(value) for name, value in _pairs(blocks.get("headers", "")).items()}
        if request["auth"] == "bearer":
            headers["Authorization"] = f"Bearer {self._filled(_pairs(blocks['auth:bearer'])['token'])}"
        content = self._body(blocks, headers)
        answer = await http.request(method, self._filled(request["url"]), headers=headers, content=content)
        for path, expected in _pairs(blocks.get("assert", "")).items():
            operator, _, value = expected.partition(" ")
            found = _found(path, answer)
            assert _holds(found, operator, value), f"{file.name}: {path}: {expected}: {found!r}\n{answer.text[:2000]}"
        for name, path in _pairs(blocks.get("vars:post-response", "")).items():
            self.variables[name] = str(_found(path, answer))
        return answer

    def _body(self, blocks: dict[str, str], headers: dict[str, str]) -> bytes | None:
        if form := blocks.get("body:form-urlencoded"):
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return urlencode({name: self._filled(value) for name, value in _pairs(form).items()}).encode()
        text = blocks.get("body:json") or blocks.get("body:text")
        return self._filled(_outdented(text)).encode() if text else None

    def _filled(self, text: str) -> str:
        now = datetime.now(UTC)
        dynamic = {"$isoTimestamp": now.isoformat(timespec="milliseconds"), "$timestamp": str(int(now.timestamp()))}
        known = self.variables | dynamic
        return _VARIABLE.sub(lambda match: known[match[1]], text)


def _pairs(block: str) -> dict[str, str]:
    lines = (line.strip() for line in block.splitlines())
    return {name.strip(): value.strip() for name, _, value in (line.partition(": ") for line in lines if line)}


def _outdented(block: str) -> str:
    return "\n".join(line.removeprefix("  ") for line in block.splitlines())


def _found(path: str, answer: httpx.Response) -> Any:
    """`res.status`, `res.headers['x']`, `res.body.entry[0].id`."""
    part, rest = re.fullmatch(r"res\.(\w+)(.*)", path).groups()  # type: ignore[union-attr]
    value: Any = (
        answer.status_code if part == "status" else dict(answer.headers) if part == "headers" else answer.json()
    )
    for name, number, quoted in _STEP.findall(rest):
        value = value[int(number)] if number else value.get(name or quoted)
    return value


def _holds(found: Any, operator: str, value: str) -> bool:
    match operator:
        case "eq":
            return str(found) == value
        case "in":
            return str(found) in [each.strip() for each in value.split(",")]
        case "length":
            return len(found) == int(value)
    raise AssertionError(operator)
