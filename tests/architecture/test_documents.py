"""The documents are complete: every decision is listed, in one form, and every link leads somewhere."""

import re
from pathlib import Path

from docs.conformance import cited_tests
from docs.generate import documents
from tests.architecture import tree

DECISIONS = Path("docs/adr")
SECTIONS = ("## Context", "## Decision", "## Consequences")
MANY = 100
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:|#)([^)#\s]+)")


def _decisions() -> list[Path]:
    return [path for path in tree.files() if path.parent == DECISIONS and path.name != "README.md"]


def test_decisions_are_numbered_without_a_gap_and_listed() -> None:
    index = (tree.ROOT / DECISIONS / "README.md").read_text(encoding="utf-8")
    numbers = [int(path.name[:4]) for path in _decisions()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [path.name for path in _decisions() if f"({path.name})" not in index] == []


def test_every_decision_says_context_decision_and_consequences() -> None:
    texts = {path.name: (tree.ROOT / path).read_text(encoding="utf-8") for path in _decisions()}
    assert [name for name, text in texts.items() if not all(section in text for section in SECTIONS)] == []


def test_every_decision_that_the_code_cites_exists() -> None:
    numbers = {path.name[:4] for path in _decisions()}
    cited = {
        (str(path), number)
        for path in tree.files()
        if path.suffix in {".py", ".md"}
        for number in re.findall(r"\badr/(\d{4})", (tree.ROOT / path).read_text(encoding="utf-8"))
    }
    assert {(path, number) for path, number in cited if number not in numbers} == set()


def test_every_relative_link_leads_to_a_file() -> None:
    links = (
        (path, target)
        for path in tree.files()
        if path.suffix == ".md"
        for target in LINK.findall((tree.ROOT / path).read_text(encoding="utf-8"))
    )
    bad = [f"{path}: {target}" for path, target in links if not (tree.ROOT / path.parent / target).exists()]
    assert bad == []


def test_documents_that_follow_from_the_code_are_current() -> None:
    assert {path: (tree.ROOT / path).read_text(encoding="utf-8") for path in documents()} == documents()


def test_every_test_that_the_threat_table_names_is_there() -> None:
    """A name there is the beginning of a test's name, or a probe of the leak test."""
    text = (tree.ROOT / "docs/security.md").read_text(encoding="utf-8")
    named = [
        (path, name)
        for path, names in re.findall(r"\]\(\.\./(tests/[\w/]+\.py)\) ((?:`\w+`(?:, )?)+)", text)
        for name in re.findall(r"`(\w+)`", names)
    ]
    sources = {path: (tree.ROOT / path).read_text(encoding="utf-8") for path, _ in named}
    assert len(named) > MANY
    assert [each for each in named if not re.search(rf"def (?:test_(?:\w+_)?)?{each[1]}", sources[each[0]])] == []


def test_every_conformance_test_cites_its_clause() -> None:
    suite = Path("tests/conformance")
    written = sum(
        (tree.ROOT / path).read_text(encoding="utf-8").count("def test_")
        for path in tree.files()
        if suite in path.parents
    )
    assert sum(suite in test.path.parents for test in cited_tests(tree.ROOT)) == written
