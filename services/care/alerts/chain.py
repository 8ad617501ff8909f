"""Who is told of an alert and who next while nobody answers: one file a chain in `services/care/alerts/definitions`."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, Literal

import msgspec

from services.care.definition_files import check, decoded, definition_files
from services.care.monitoring.rule import Rule
from services.care.scoring.instrument import Confidence

Role = Literal["nurse", "physician", "institution", "county"]
SEVERITIES: Final = ("high", "moderate", "low")


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For so many minutes it is this role's to answer; after those of the last step it stays with it."""

    role: Role
    minutes: int

    @property
    def time(self) -> timedelta:
        return timedelta(minutes=self.minutes)


class Chain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    code: str
    zh: str
    en: str
    source: str
    confidence: Confidence
    priority: Literal["stat", "asap", "urgent", "routine"]
    steps: tuple[Step, ...]


Chains = Mapping[str, Chain]


@cache
def load_chains(folder: Path | None = None) -> Chains:
    """Every chain by its code; those of a folder of one's own come before the shipped ones."""
    return {chain.code: chain for chain in map(read_chain, definition_files("services.care.alerts", folder))}


def read_chain(file: Traversable) -> Chain:
    chain: Chain = decoded(file, Chain)
    check(file, chain.code, _problems(chain))
    return chain


def chain_of(rule: Rule, chains: Chains) -> Chain:
    """The rule's own, else that of its severity."""
    return chains.get(rule.chain) or chains[rule.severity]


def _problems(chain: Chain) -> Iterator[str]:
    if not chain.steps:
        yield "a chain has a step"
    if any(step.minutes <= 0 for step in chain.steps):
        yield "each step lasts a while"
