"""A log line is one JSON object with the decision in it, and never the words of an error."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.kit.logging import configure, log, log_failure


@contextmanager
def configured() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("yiyang")
    before = root.handlers, root.level, ours.level
    configure("info")
    yield
    root.handlers, root.level, ours.level = before


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_decision_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with configured():
        log("token.issued", client="clinic-his")
    [line] = _lines(capsys)
    assert line.pop("time")
    assert line == {"level": "info", "event": "token.issued", "client": "clinic-his"}


def test_a_failure_tells_where_and_of_what_kind_but_not_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        int("张三 150302")
    except ValueError as error:
        with configured():
            log_failure("request.failed", error, request_id="r-1")
            logging.getLogger("asyncio").exception("Task of 张三 failed")
    ours, theirs = _lines(capsys)
    assert (ours["error"], theirs["error"], theirs["event"]) == (
        "builtins.ValueError",
        "builtins.ValueError",
        "asyncio",
    )
    assert "test_logging.py" in str(ours["frames"])
    assert "张三" not in str(ours) + str(theirs)
