"""What a whole run has left behind, looked through when it ends: no token, no 身份证号, no name (docs/security.md).

Log lines of this process and of servers that tests start, PostgreSQL's log, refusals, links, headers, metrics. A pytest plugin: each process
writes what it saw into one folder, and the one that began the run reads them all.
"""

import atexit
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

import jiter
import pytest

from services.kit.logging import JsonLines
from services.kit.peers import AsgiApp
from tests.leaks import leaks

VARIABLE: Final = "YIYANG_TEST_EVIDENCE"
NAMES_FILE: Final = "names"
REFUSAL: Final = 400
HEAD: Final = 8192  # of a Bundle: its links stand before its entries
SHORTEST: Final = 2
PEOPLE: Final = frozenset({"Patient", "RelatedPerson", "Person"})

_LINK: Final = re.compile(rb'\{"relation":"(\w+)","url":"([^"]*)"\}')
_HAN_NAME: Final = re.compile(r"[\u4e00-\u9fff]{2,4}")
_FULL_NAME: Final = re.compile(r"[A-Z][a-z]{2,} [A-Z][a-z]{2,}")
_PLACES: Final = frozenset({b"location", b"content-location", b"link", b"x-progress", b"www-authenticate"})
_files: dict[str, IO[str]] = {}


def note(kind: str, text: str) -> None:
    """Keep one thing that was told; what kind of thing it is names the file."""
    if VARIABLE not in os.environ:
        return
    if kind not in _files:
        _files[kind] = place(kind).open("a", encoding="utf-8", errors="replace")
    _files[kind].write(text.replace("\n", " ") + "\n")


def place(kind: str) -> Path:
    """A file of this process's own, for what it writes itself or lets another process write."""
    folder = Path(os.environ.get(VARIABLE) or tempfile.gettempdir())
    return folder / f"{kind}.{os.getpid()}"


def keep_logs(data_dir: Path) -> None:
    """What PostgreSQL has told in the folder of a cluster."""
    for path in data_dir.rglob("*.log*"):
        for line in _lines(path):
            note("postgres", line)


def note_answer(method: str, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    """A refusal as a whole; of another answer what stands in URLs. A self link of a GET repeats what its client wrote there."""
    for name, value in headers:
        if name.lower() in _PLACES:
            note("header", value.decode("latin-1"))
    if status >= REFUSAL:
        note("refusal", body.decode("utf-8", "replace"))
    else:
        for relation, url in _LINK.findall(body[:HEAD]):
            if relation != b"self" or method != "GET":
                note("link", url.decode())


def noted(app: AsgiApp) -> AsgiApp:
    """The same app, whose answers are kept; what a browser is sent on with belongs to its own user, so no header of `/auth` is."""

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        start: dict[str, Any] = {}
        body = bytearray()

        async def told(message: Any) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif start and len(body) < HEAD:
                body.extend(message.get("body", b""))
            await send(message)

        await app(scope, receive, told)
        if start:
            headers = start["headers"] if scope["path"].startswith("/fhir") else ()
            note_answer(scope["method"], start["status"], headers, bytes(body))

    return outside


def note_people(body: bytes) -> None:
    """The names of those of whom a request writes: what must be found nowhere."""
    if b'"name"' in body and any(name.encode() in body for name in PEOPLE):
        try:
            sent = jiter.from_json(body)
        except ValueError:
            return
        for name in _names(sent):
            note(NAMES_FILE, name)


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for each in node:
            yield from _names(each)
    elif isinstance(node, dict):
        if str(node.get("resourceType")) in PEOPLE and isinstance(node.get("name"), list):
            for name in filter(lambda each: isinstance(each, dict), node["name"]):
                yield from _spellings(name)
        for value in node.values():
            if isinstance(value, dict | list):
                yield from _names(value)


def _spellings(name: dict[str, Any]) -> Iterator[str]:
    family, given = name.get("family"), name.get("given")
    first = given[0] if isinstance(given, list) and given and isinstance(given[0], str) else ""
    family = family if isinstance(family, str) else ""
    for text in (name.get("text"), f"{family}{first}", f"{first} {family}"):
        if isinstance(text, str) and (_HAN_NAME.fullmatch(text) or _FULL_NAME.fullmatch(text)):
            yield text


def found_in(folder: Path) -> list[str]:
    """`file: kind of what was told`, each once."""
    names = {name for path in folder.glob(f"{NAMES_FILE}.*") for name in _lines(path) if len(name) > SHORTEST - 1}
    a_name = re.compile("|".join(map(re.escape, sorted(names)))) if names else None
    found = set[str]()
    for path in sorted(folder.iterdir()):
        if path.name.startswith(f"{NAMES_FILE}."):
            continue
        for line in _lines(path):
            kinds = leaks(line) or (["a name"] if a_name and a_name.search(line) else [])
            found.update(f"{path.name}: {kind}" for kind in kinds)
    return sorted(found)


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as opened:
        yield from (line.rstrip("\n") for line in opened)


class _Notes(logging.Handler):
    """As `configure` has it, libraries say warnings; and what the tests' own client says is no server's word."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "yiyang" or record.levelno >= logging.WARNING:
            note("log", f"{record.getMessage()} {JsonLines().format(record)}")


# ---- the plugin -----------------------------------------------------------------------------------------------------------


def begin() -> None:
    """In each process of the run; the first one makes the folder that all of them inherit."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="yiyang-evidence-")
    logging.getLogger("yiyang").setLevel(logging.INFO)
    logging.getLogger().addHandler(_Notes(logging.INFO))
    atexit.register(flush)


def flush() -> None:
    for opened in _files.values():
        opened.flush()


def end(session: pytest.Session) -> None:
    """Only where the run began: everything is written by now."""
    flush()
    if hasattr(session.config, "workerinput"):
        return
    folder = Path(os.environ.pop(VARIABLE))
    found = found_in(folder)
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.config.stash[FOUND] = [*found, f"kept in {folder}"]
    else:
        shutil.rmtree(folder)


FOUND: Final = pytest.StashKey[list[str]]()
