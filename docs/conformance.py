"""Which test holds which clause: the specifications' URLs in the docstrings of tests, read without running them.

A test is listed under every clause that its docstring cites, and under its module's where it cites none itself.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

NOTICE: Final = "<!-- Written by `make docs` from the docstrings of tests; changes here are lost. -->"
RFC: Final = "https://www.rfc-editor.org/rfc/rfc"
#: Where a specification begins, and what it is called; the longest that fits is taken.
SPECIFICATIONS: Final = {
    "http://hl7.org/fhir/R4/": "FHIR R4",
    "https://hl7.org/fhir/smart-app-launch/STU2.2/": "SMART App Launch 2.2",
    "https://hl7.org/fhir/uv/bulkdata/STU2/": "Bulk Data Access 2",
    RFC: "RFC",
    "https://spec.openapis.org/": "OpenAPI",
    "https://ucum.org/": "UCUM",
}
_STARTS: Final = "|".join(map(re.escape, SPECIFICATIONS))
_CITED: Final = re.compile(rf"((?:{_STARTS})[^\s\"'()<>|,]*)((?:(?:,| and| or)+ #[\w.-]+)*)|\bRFC (\d{{4}})\b")


class Test(NamedTuple):
    """`asserts` is the test's name as a sentence; `clauses` are URLs."""

    asserts: str
    path: Path
    every_type: bool
    clauses: tuple[str, ...]


def conformance(root: Path) -> str:
    """The table, one section for each page of a specification."""
    tests = list(cited_tests(root))
    by_clause: dict[str, list[Test]] = defaultdict(list)
    for test in tests:
        for clause in test.clauses:
            by_clause[clause].append(test)
    lines = [
        "# Conformance: clause → test",
        NOTICE,
        f"{len(tests)} tests cite {len(by_clause)} clauses. A row is one test, by its name; ⁂ marks those that run once for every type that is served.",
        "`make test` runs them all; `make test ARGS=tests/conformance` runs the suite alone.",
    ]
    page = ""
    for clause in sorted(by_clause, key=_order):
        if page != (page := clause.partition("#")[0]):
            lines += ["", f"## {_title(page)}", f"<{page}>", "", "| Clause | Test | In |", "|---|---|---|"]
        first, *more = sorted(by_clause[clause])
        lines += [_row(_link(clause), first), *(_row("", test) for test in more)]
    return "\n".join(lines) + "\n"


def cited_tests(root: Path) -> Iterator[Test]:
    """Every test below `root`/tests that cites a clause, or whose module does."""
    for path in sorted((root / "tests").rglob("test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        of_module = clauses(ast.get_docstring(module) or "")
        for node in module.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                cited = clauses(ast.get_docstring(node) or "", of_module) or of_module
                if cited:
                    asserts = node.name.removeprefix("test_").replace("_", " ")
                    yield Test(asserts, path.relative_to(root), _is_of_every_type(node), cited)


def clauses(docstring: str, of_module: Sequence[str] = ()) -> tuple[str, ...]:
    """The URLs that a docstring cites; `#b` after a URL is another clause of its page, as alone in a test's it is of its module's page."""
    found: list[str] = []
    for url, more, rfc in _CITED.findall(docstring):
        first = f"{RFC}{rfc}" if rfc else url.rstrip(".,:;")
        page = first.partition("#")[0]
        found += [first, *(f"{page}{fragment.rstrip('.')}" for fragment in re.findall(r"#[\w.-]+", more))]
    if not found and of_module and (bare := re.match(r"#[a-zA-Z][\w-]*", docstring)):
        found = [of_module[0].partition("#")[0] + bare[0]]
    return tuple(dict.fromkeys(found))


def _is_of_every_type(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "each_type" for each in node.decorator_list)


def _order(clause: str) -> tuple[int, str, str]:
    page, _, fragment = clause.partition("#")
    return next(n for n, start in enumerate(SPECIFICATIONS) if clause.startswith(start)), page, fragment


def _title(page: str) -> str:
    start, name = next((start, name) for start, name in SPECIFICATIONS.items() if page.startswith(start))
    rest = page.removeprefix(start).removesuffix(".html")
    return f"{name} {rest}" if name == "RFC" else f"{name}: {rest}" if rest else name


def _link(clause: str) -> str:
    _, sign, fragment = clause.partition("#")
    return f"[{sign}{fragment}]({clause})" if fragment else "the whole page"


def _row(clause: str, test: Test) -> str:
    mark = " ⁂" if test.every_type else ""
    where = test.path.relative_to("tests").with_suffix("")
    return f"| {clause} | {test.asserts}{mark} | [{where}](../{test.path}) |"
