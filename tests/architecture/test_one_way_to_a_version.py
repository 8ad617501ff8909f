"""There is one way to a version, and it passes the business of the owner (docs/adr/0025)."""

import ast
from pathlib import Path

from tests.architecture import tree

MAKER = "services/fhir/interactions/version.py"
DECIDER = "services/fhir/interactions/prepare.py"
COMMIT = "services/fhir/interactions/commit.py"
CODE = [*tree.modules("services", "gateway", "yiyang")]


def _calls(path: Path) -> set[str]:
    """The names that a module calls, methods as `.name`."""
    called = [node.func for node in ast.walk(tree.tree(path)) if isinstance(node, ast.Call)]
    names = {f.id for f in called if isinstance(f, ast.Name)}
    return names | {f".{f.attr}" for f in called if isinstance(f, ast.Attribute)}


def test_versions_are_made_in_one_place() -> None:
    assert [str(path) for path in CODE if "Write" in _calls(path)] == [MAKER]


def test_the_place_where_versions_are_made_is_used_by_what_has_decided() -> None:
    name = "services.fhir.interactions.version"
    users = [str(path) for path in CODE if any(each.startswith(name) for each in tree.imports(path))]
    assert users == [DECIDER]


def test_versions_are_put_into_a_commit_whole_in_one_place() -> None:
    """A store's `put` takes one version of what was prepared; `commit.put` all of it, with what was decided beside it."""
    bad = [
        f"{path}:{node.lineno}"
        for path in CODE
        if str(path) != COMMIT
        for node in ast.walk(tree.tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "put"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "store"
    ]
    assert bad == []
