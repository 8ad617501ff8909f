"""Who may do what where: SQL in its rooms, pure tables, one owner of the network (docs/architecture.md, "Rooms")."""

import ast
import re
import tomllib

from tests.architecture import tree

SQL_ROOMS = (
    "services/fhir/store",
    "services/kit/database.py",
    "gateway/registry",
    "gateway/registry.py",
    "gateway/tables.py",
    "yiyang/postgres",
)
SQL = re.compile(
    r"\b(?:SELECT\s.+\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|(?:CREATE|ALTER|DROP)\s+(?:TABLE|INDEX|DATABASE|SCHEMA))\b",
    re.DOTALL,
)
DRIVERS = ("asyncpg", "sqlalchemy")
PURE_ROOMS = ("services/care/scoring", "services/care/monitoring")
IMPURE: tuple[str, ...] = (
    "asyncio",
    "asyncpg",
    "datetime.datetime.now",
    "httpx",
    "os",
    "pyreqwest",
    "random",
    "secrets",
    "sqlalchemy",
)
IMPURE += ("starlette", "fastapi", "time", "uuid", "services.kit.clock", "services.kit.database", "services.fhir.store")


def _strings(module: ast.Module) -> list[str]:
    """String constants that are not docstrings; the literal parts of f-strings are constants too."""
    bare = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(module) if isinstance(node, ast.Constant) and id(node) not in bare)
    return [node.value for node in constants if isinstance(node.value, str)]


def test_sql_is_written_in_its_rooms_only() -> None:
    outside = [path for path in tree.modules(*tree.CODE) if not tree.under(path, *SQL_ROOMS)]
    bad = [f"{path}: {text[:60]!r}" for path in outside for text in _strings(tree.tree(path)) if SQL.search(text)]
    assert bad == []


def test_database_drivers_are_imported_in_the_rooms_of_sql_only() -> None:
    outside = (path for path in tree.modules("services", "gateway") if not tree.under(path, *SQL_ROOMS))
    bad = [str(path) for path in outside if any(name.split(".")[0] in DRIVERS for name in tree.imports(path))]
    assert bad == []


def test_rules_and_workflows_are_pure() -> None:
    pure = [path for path in tree.modules("services") if path.name in {"rules.py", "workflow.py"}]
    pure += [path for path in tree.modules("services") if tree.under(path, *PURE_ROOMS)]
    bad = [f"{path}: {name}" for path in pure for name in tree.imports(path) if name.startswith(IMPURE)]
    assert bad == []


def test_the_kit_never_mentions_a_resource_type() -> None:
    kit = [path for path in tree.modules("services") if tree.under(path, "services/kit")]
    types = re.compile(r"\b(?:Patient|Observation|Task|ServiceRequest|Encounter|Bundle|OperationOutcome|CarePlan)\b")
    bad = [f"{path}: {text!r}" for path in kit for text in _strings(tree.tree(path)) if types.search(text)]
    assert bad == []


def test_every_top_level_package_stands_under_the_import_contracts() -> None:
    settings = tomllib.loads((tree.ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    packages = {path.parts[0] for path in tree.modules() if len(path.parts) == 2 and path.name == "__init__.py"}
    assert set(settings["root_packages"]) == packages - {"benchmarks", "docs", "migrations", "tests"}
