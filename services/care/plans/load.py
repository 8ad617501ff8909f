"""The plans of the library: one a file, checked when it is read."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from services.care.definition_files import check, decoded, definition_files
from services.care.plans.plan import Plan, When
from services.care.scoring.results import codes_of
from services.fhir.elements import CANONICAL
from services.fhir.ucum import unit

Plans = Mapping[str, Plan]

OURS: Final = f"{CANONICAL}/CodeSystem/"


@cache
def load_plans(folder: Path | None = None) -> Plans:
    """Every plan by its name; those of a folder of one's own come before the shipped ones."""
    return {plan.name: plan for plan in map(read_plan, definition_files("services.care.plans", folder))}


def read_plan(file: Traversable) -> Plan:
    plan: Plan = decoded(file, Plan)
    check(file, plan.name, _problems(plan))
    return plan


def _problems(plan: Plan) -> Iterator[str]:
    if plan.category not in codes_of("care-plan-category"):
        yield f"care-plan-category has no code {plan.category}"
    if not plan.acts or not plan.aims:
        yield "a plan has goals and activities"
    named = {aim.id for aim in plan.aims}
    yield from (f"{act.code}: there is no goal {each}" for act in plan.acts for each in act.aims if each not in named)
    for name, found in (("goal", [a.id for a in plan.aims]), ("activity", [a.code for a in plan.acts])):
        if len({*found}) < len(found):
            yield f"a {name} stands twice"
    for aim in plan.aims:
        if aim.target and unit(aim.target.unit) is None:
            yield f"{aim.target.unit} is no unit of UCUM"
    yield from (problem for when in plan.when for problem in _of_condition(when))


def _of_condition(when: When) -> Iterator[str]:
    if not when.codes and not when.prefixes:
        yield f"{when.system}: codes or prefixes"
    if "://" not in when.system and ":" not in when.system:
        known = codes_of(when.system)
        yield from (f"{when.system} has no code {code}" for code in when.codes if code not in known)


def system_of(when: When) -> str:
    """The platform's own systems go by their names."""
    return when.system if ":" in when.system else f"{OURS}{when.system}"
