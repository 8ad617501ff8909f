"""The code systems of the instruments, written among the platform's terminologies from the instruments' own files.

`make docs` runs it before docs.generate, which lists the terminologies that it finds.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from services.care.assessments.code_system import code_system
from services.care.scoring.load import load_instruments

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = Path("services/fhir/definitions/terminology")


def code_systems() -> dict[Path, str]:
    """Path from the repository's root → text, a concept a line."""
    return {FOLDER / f"{each.name}.json": _text(code_system(each)) for each in load_instruments().values()}


def _text(resource: dict[str, Any]) -> str:
    concepts = ",\n".join(f"    {_line(concept)}" for concept in resource["concept"])
    head = ",\n".join(f'  "{name}": {_line(value)}' for name, value in resource.items() if name != "concept")
    return f'{{\n{head},\n  "concept": [\n{concepts}\n  ]\n}}\n'


def _line(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=0).decode()


def main() -> None:
    for path, text in code_systems().items():
        (ROOT / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
