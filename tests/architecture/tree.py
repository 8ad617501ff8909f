"""The tree of this repository as the architecture tests read it: its files, its modules, what they import."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("services", "gateway", "yiyang")


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or is about to be, in the repository; relative to its root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):  # an unpacked archive: all that is not hidden
        found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
        return tuple(sorted(path for path in found if not any(part.startswith(".") for part in path.parts[:-1])))
    return tuple(sorted(Path(name) for name in listed if name and (ROOT / name).is_file()))


def modules(*rooms: str) -> Iterator[Path]:
    """Python files; of all rooms, or of the top-level ones named."""
    return (path for path in files() if path.suffix == ".py" and (not rooms or path.parts[0] in rooms))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def imports(path: Path) -> frozenset[str]:
    """The dotted names that a module imports, also inside functions; `from a import b` is `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def under(path: Path, *rooms: str) -> bool:
    """Is the file one of these, or in one of these folders?"""
    return any(path == Path(room) or Path(room) in path.parents for room in rooms)
