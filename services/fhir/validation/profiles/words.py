"""What is said when a profile is not kept, in English and Chinese; the profile's title and rules bring both: `中文 · English`."""

from typing import Any

import msgspec

from services.fhir.validation.problems import Problem


class Profile(msgspec.Struct, frozen=True):
    """A profile as it is named in answers."""

    name: str
    title: str

    def problem(self, code: str, diagnostics: str, text: str) -> Problem:
        return Problem(code, f"{self.name}: {diagnostics}", f"{text}（{self.title}规范）")


def named(definition: dict[str, Any]) -> Profile:
    chinese, _ = both(str(definition.get("title", definition["name"])))
    return Profile(str(definition["id"]), chinese)


def both(text: str) -> tuple[str, str]:
    """Give the Chinese and the English of a text that has both; one that has not stands for both."""
    chinese, _, english = text.partition(" · ")
    return chinese, english or chinese
