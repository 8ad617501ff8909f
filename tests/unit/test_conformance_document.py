"""How docs/conformance.md reads the docstrings of tests."""

from pathlib import Path

import pytest

from docs.conformance import cited_tests, clauses, conformance

HTTP = "http://hl7.org/fhir/R4/http.html"
TEXT = '''"""All of it: http://hl7.org/fhir/R4/http.html#update"""
from x import each_type

@each_type
def test_one_of_its_own(): """http://hl7.org/fhir/R4/http.html#create: 201."""

async def test_as_its_module(): """Without a clause."""

def helper(): """http://hl7.org/fhir/R4/http.html#delete"""
'''


@pytest.mark.parametrize(
    ("docstring", "found"),
    [
        (f"{HTTP}#update: 201, then 200.", [f"{HTTP}#update"]),
        (f"By criteria: {HTTP}#ccreate, #cond-update and #cdelete", [f"{HTTP}#ccreate", f"{HTTP}#cond-update", f"{HTTP}#cdelete"]),
        ("As RFC 9110 and RFC 6902 say", ["https://www.rfc-editor.org/rfc/rfc9110", "https://www.rfc-editor.org/rfc/rfc6902"]),
        ("https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1: If-Match", ["https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1"]),
        ("http://example.org/R4 says nothing", []),
    ],
)  # fmt: skip
def test_a_docstring_cites_what_its_urls_say(docstring: str, found: list[str]) -> None:
    assert list(clauses(docstring)) == found


def test_a_bare_anchor_is_one_of_the_modules_page() -> None:
    assert clauses("#delete: twice is 204", [f"{HTTP}#update"]) == (f"{HTTP}#delete",)


def test_tests_stand_under_their_own_clause_or_their_modules(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text(TEXT)
    own, inherited = cited_tests(tmp_path)
    assert (own.asserts, own.every_type, own.clauses) == ("one of its own", True, (f"{HTTP}#create",))
    assert (inherited.every_type, inherited.clauses) == (False, (f"{HTTP}#update",))
    assert f"| [#create]({HTTP}#create) | one of its own ⁂ | [test_x](../tests/test_x.py) |" in conformance(tmp_path)
