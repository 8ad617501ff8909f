"""The form of an instrument's file in `services/care/definitions`; docs/instruments.md explains each field.

`confidence` marks how sure a fact is (H read in a public source, M+ well known, M consistent with what was read, L verify first). What is
marked M or L is a default: an instrument of the same name in the folder that the setting `instruments` names comes before it.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final, Literal

import msgspec

from services.fhir.elements import CANONICAL

Confidence = Literal["H", "M+", "M", "L"]
SURENESS: Final[tuple[Confidence, ...]] = ("H", "M+", "M", "L")
Answer = str | int
"""The code of an option, or a number."""


class _Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel", dict=True):
    """What a file says and this form does not know is an error, not passed over."""


class Named(_Form, frozen=True, kw_only=True):
    zh: str
    en: str


class Option(Named, frozen=True, kw_only=True):
    """Two options of one item may have one value; then their codes tell them apart. Without a value it does not score."""

    value: int | None = None
    code: str = ""

    @property
    def key(self) -> str:
        return self.code or str(self.value)


class Enabling(_Form, frozen=True, kw_only=True):
    """The item is asked only where another one has this answer."""

    item: str
    answer: str


class Item(Named, frozen=True, kw_only=True):
    """A choice among `options` (or the set of that name), or a whole number from `min` to `max`."""

    link_id: str
    options: tuple[Option, ...] | str = ()
    min: int | None = None
    max: int | None = None
    required: bool = True
    enabled_when: Enabling | None = None
    confidence: Confidence = "H"


class Group(Named, frozen=True, kw_only=True):
    link_id: str
    items: tuple[Item, ...]


class Score(Named, frozen=True, kw_only=True):
    """A sum of items and of earlier scores. `reversed` items count as least + most − value. One not shown makes no Observation."""

    code: str
    of: tuple[str, ...]
    reversed: tuple[str, ...] = ()
    is_shown: bool = True


class Band(_Form, frozen=True, kw_only=True):
    from_: int = msgspec.field(name="from")
    to: int
    code: str


class Condition(_Form, frozen=True, kw_only=True):
    """Bounds of a score, or the answer to an item."""

    of: str = ""
    at_least: int | None = None
    at_most: int | None = None
    item: str = ""
    answer: str = ""


class _Result(Named, frozen=True, kw_only=True, tag_field="kind"):
    """One code of `system`. `is_of` names the score whose Observation tells it; else it has one of its own."""

    code: str
    system: str
    is_of: str = ""


class Bands(_Result, frozen=True, kw_only=True, tag="bands"):
    """The band that a score lies in; `has_gaps` where the rule defines no level for some scores."""

    of: str
    bands: tuple[Band, ...]
    has_gaps: bool = False


class Matrix(_Result, frozen=True, kw_only=True, tag="matrix"):
    """The cell of a row and the worst of the columns; each is an earlier result, worse in the order of its system, or a score."""

    rows: str
    columns: tuple[str, ...]
    cells: dict[str, dict[str, str]]


class Case(_Form, frozen=True, kw_only=True):
    code: str
    when: tuple[Condition, ...]


class Cases(_Result, frozen=True, kw_only=True, tag="cases"):
    """The first case whose conditions all hold."""

    cases: tuple[Case, ...]
    otherwise: str


class Clause(_Form, frozen=True, kw_only=True):
    """Fires where any of its conditions holds: raises the level, or sets it."""

    code: str
    when: tuple[Condition, ...]
    raise_: int = msgspec.field(name="raise", default=0)
    level: str = ""


class Raised(_Result, frozen=True, kw_only=True, tag="raised"):
    """An earlier result after its clauses, which `add_up` or raise once together; never beyond the last code of the system."""

    of: str
    clause_system: str
    add_up: bool
    clauses: tuple[Clause, ...]


class Choice(_Form, frozen=True, kw_only=True):
    among: tuple[str, ...]
    verdicts: tuple[str, ...]


class Highest(_Result, frozen=True, kw_only=True, tag="highest"):
    """The highest of the scores whose result has one of the verdicts, of the first choice that has any; all of them where they tie."""

    choices: tuple[Choice, ...]
    tie: Named
    none: Named
    again_after_days: int


Result = Bands | Matrix | Cases | Raised | Highest


class Risk(Named, frozen=True, kw_only=True):
    """The RiskAssessment that follows from a result: its codes as http://hl7.org/fhir/R4/valueset-risk-probability.html"""

    of: str
    likely: dict[str, Literal["negligible", "low", "moderate", "high", "certain"]]


class Rule(Named, frozen=True, kw_only=True):
    """One named set of cut-offs and clauses; the first of an instrument is its default."""

    version: str
    results: tuple[Result, ...]
    confidence: Confidence
    risk: Risk | None = None


class Golden(_Form, frozen=True, kw_only=True):
    """A vector: answers, and what must come of them. `*` answers every item, a group's linkId its items; null takes an answer back."""

    says: str
    answers: dict[str, Answer | None]
    rule: str = ""
    scores: dict[str, int] = {}
    results: dict[str, str | tuple[str, ...]] = {}
    clauses: tuple[str, ...] | None = None
    faults: dict[str, str] = {}


class Validity(_Form, frozen=True, kw_only=True):
    """For how long a result counts from the day of the assessment, in days or months."""

    value: int
    unit: Literal["d", "mo"]
    confidence: Confidence


class Signatures(_Form, frozen=True, kw_only=True):
    """How many must sign in each role before a result counts."""

    assessor: int = 1
    informant: int = 0
    confidence: Confidence = "M"


class Instrument(Named, frozen=True, kw_only=True):
    """One instrument 量表: what is asked, how it is scored, by which rules, for how long it counts.

    `wording` is how sure the words of its items and options are, where they were not read in the standard itself.
    """

    name: str
    version: str
    source: str
    confidence: Confidence
    wording: Confidence = "H"
    validity: Validity
    groups: tuple[Group, ...]
    scores: tuple[Score, ...]
    rules: tuple[Rule, ...]
    golden: tuple[Golden, ...]
    option_sets: dict[str, tuple[Option, ...]] = {}
    signatures: Signatures | None = None
    loinc: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"{CANONICAL}/Questionnaire/{self.name}"

    @property
    def system(self) -> str:
        """The code system of its items, answers, scores, results and rules."""
        return f"{CANONICAL}/CodeSystem/{self.name}"

    @cached_property
    def items(self) -> Mapping[str, Item]:
        return {item.link_id: item for group in self.groups for item in group.items}

    @cached_property
    def options(self) -> Mapping[str, Mapping[str, Option]]:
        """By linkId, the options by their codes; none where a number is asked for."""
        return {link_id: {option.key: option for option in self._options(item)} for link_id, item in self.items.items()}

    def ends(self, link_id: str) -> tuple[int, int]:
        """The least and the most that an item can count."""
        item = self.items[link_id]
        if item.min is not None and item.max is not None:
            return item.min, item.max
        values = [option.value for option in self.options[link_id].values() if option.value is not None]
        return min(values), max(values)

    def rule(self, version: str = "") -> Rule | None:
        return next((rule for rule in self.rules if version in ("", rule.version)), None)

    def _options(self, item: Item) -> Iterator[Option]:
        yield from self.option_sets[item.options] if isinstance(item.options, str) else item.options
