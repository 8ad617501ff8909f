"""Structured logs: one JSON line per decision, from a closed list of fields, none of which can hold personal data."""

import logging
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TypedDict, Unpack

import msgspec

_LOGGER = logging.getLogger("yiyang")
_MAX_FRAMES = 12


class Fields(TypedDict, total=False):
    """All that a log line may say. No url, body, header, name or message of an exception: those can hold a person's data."""

    request_id: str
    service: str
    client: str
    organization: str
    method: str
    type: str
    interaction: str
    status: int
    reason: str
    code: str
    kid: str
    count: int
    milliseconds: float


def log(event: str, **fields: Unpack[Fields]) -> None:
    """Write one decision, e.g. `log("token.issued", client="clinic-his")`."""
    _LOGGER.info(event, extra={"fields": fields})


def log_failure(event: str, error: BaseException, **fields: Unpack[Fields]) -> None:
    """Write what nobody expected: the kind of the error and where it was raised, never its message."""
    _LOGGER.error(event, extra={"fields": {**fields, **_place(error)}})


def configure(level: str = "info") -> None:
    """Send every log line of this process to stderr as JSON; the loggers of libraries keep to warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(level.upper())


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.msg if record.name == _LOGGER.name else record.name,
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line |= _place(record.exc_info[1])
        return msgspec.json.encode(line).decode()


def _place(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    return {
        "error": f"{type(error).__module__}.{type(error).__qualname__}",
        "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
