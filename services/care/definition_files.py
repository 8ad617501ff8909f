"""Definitions as files, one each: those that care ships, and those of a folder of one's own, which come after and so replace them."""

from collections.abc import Iterable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec


class DefinitionError(ValueError):
    """A file that is no definition; the message names the file and what to mend."""


def definition_files(package: str, folder: Path | None) -> Iterator[Traversable]:
    folders: list[Traversable] = [files(package).joinpath("definitions"), *([folder] if folder else [])]
    for each in folders:
        yield from sorted((file for file in each.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)


def decoded(file: Traversable, kind: Any) -> Any:
    """A `kind`, which may be one of several: msgspec's own types have no name for that."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise DefinitionError(f"{file.name}: {error}") from error


def check(file: Traversable, name: str, wrong: Iterable[str]) -> None:
    """A file is called what it defines, and has none of the problems."""
    problems = [*wrong, *([] if file.name == f"{name}.json" else [f"the file must be called {name}.json"])]
    if problems:
        raise DefinitionError(f"{file.name}: " + "; ".join(problems))
