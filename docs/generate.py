"""Write the documents that follow from the code (`make docs`); tests/architecture/test_documents.py holds them current."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic_settings import BaseSettings

from docs.conformance import conformance
from docs.indicators import indicators
from docs.instruments import code_systems
from docs.offers import operations, terminologies
from docs.referral import referral_workflow
from docs.workflows import task_workflows
from gateway.settings import GatewaySettings
from services.care.resources import SERVED as CARE
from services.fhir.served import EVERY, ServedType
from services.kit.settings import ServiceSettings
from services.records.resources import SERVED as RECORDS
from services.referral.resources import SERVED as REFERRAL

ROOT: Final = Path(__file__).resolve().parents[1]
OWNERS: Final[Mapping[str, Sequence[ServedType]]] = {"records": RECORDS, "referral": REFERRAL, "care": CARE}
DEPLOYABLES: Final[Mapping[str, type[BaseSettings]]] = {
    "The gateway": GatewaySettings,
    "records, referral and care": ServiceSettings,
}
NOTICE: Final = "<!-- Written by `make docs` from the code; changes here are lost. -->"


def documents() -> dict[Path, str]:
    """Path from the repository's root → text."""
    return code_systems() | {
        Path("docs/fhir/resources.md"): resources(),
        Path("docs/fhir/operations.md"): operations(NOTICE),
        Path("docs/fhir/terminologies.md"): terminologies(NOTICE),
        Path("docs/indicators.md"): indicators(NOTICE),
        Path("docs/quality.md"): task_workflows(NOTICE),
        Path("docs/referral-workflow.md"): referral_workflow(NOTICE),
        Path("docs/settings.md"): settings(),
        Path("docs/conformance.md"): conformance(ROOT),
    }


def resources() -> str:
    """Who owns which resource type, and what can't be done with it."""
    count = sum(len(served) for served in OWNERS.values())
    lines = [
        "# Resource types and their owners",
        NOTICE,
        f"{count} types, each owned once. {len(EVERY)} interactions: {', '.join(EVERY)}. What a server answers for stands in `/fhir/metadata`.",
    ]
    for owner, served in OWNERS.items():
        lines += [
            "",
            f"## {owner}: {len(served)} types",
            "| Type | Without |",
            "|---|---|",
            *map(_resource_row, served),
        ]
    return "\n".join(lines) + "\n"


def settings() -> str:
    """Every `YIYANG_…` variable with its default and meaning."""
    lines = [
        "# Settings",
        NOTICE,
        "Environment variables, or files of the same name in lower case in the folders of `YIYANG_SECRETS` (separated by colons).",
    ]
    for deployable, described in DEPLOYABLES.items():
        lines += [
            "",
            f"## {deployable}",
            "| Variable | Default | Meaning |",
            "|---|---|---|",
            *_setting_rows(described),
        ]
    return "\n".join(lines) + "\n"


def _resource_row(served: ServedType) -> str:
    without = [interaction for interaction in EVERY if interaction not in served.interactions]
    return f"| [{served.type}](http://hl7.org/fhir/R4/{served.type.lower()}.html) | {', '.join(without)} |"


def _setting_rows(described: type[BaseSettings]) -> Iterable[str]:
    for name, field in described.model_fields.items():
        default = "none: must be set" if field.is_required() else f"`{field.default}`"
        yield f"| `YIYANG_{name.upper()}` | {default} | {field.description or ''} |"


def main() -> None:
    for path, text in documents().items():
        (ROOT / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
