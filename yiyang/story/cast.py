"""Who plays, and what passes from act to act: docs/glossary.md"""

from typing import Final, NamedTuple

from yiyang.story.elements import Json
from yiyang.story.institutions import CLINIC, HOME, HOSPITAL, TCM_HOSPITAL
from yiyang.story.packages import what_is_known
from yiyang.story.stage import Player, resources

INSTITUTION_SCOPES: Final = "system/*.crus"  # nobody deletes: what was wrong is marked entered-in-error
SUPERVISOR: Final = "wuhai-supervisor"
ROLES: Final = (  # role, organization, scopes
    ("home", HOME.id, INSTITUTION_SCOPES),
    ("clinic", CLINIC.id, INSTITUTION_SCOPES),
    ("hospital", HOSPITAL.id, INSTITUTION_SCOPES),
    ("tcm_hospital", TCM_HOSPITAL.id, INSTITUTION_SCOPES),
    ("supervisor", SUPERVISOR, "system/MeasureReport.rs system/Organization.rs"),
)
NAMES: Final = {"home": "养老院", "clinic": "社区", "hospital": "医院", "tcm_hospital": "中医院", "supervisor": "监管"}


class Cast(NamedTuple):
    """The clients that play. The supervisor may read figures, and no person's record."""

    home: Player
    clinic: Player
    hospital: Player
    tcm_hospital: Player
    supervisor: Player


class Order(NamedTuple):
    """A referral on the server, as relative URLs."""

    request: str
    task: str
    package: str


def order_of(task: Json) -> Order:
    """What a Task says of the referral that it carries."""
    package = next(each for each in task["input"] if each["type"]["coding"][0]["code"] == "package")
    return Order(task["focus"]["reference"], f"Task/{task['id']}", package["valueReference"]["reference"])


async def known_of(player: Player, patient: str) -> list[Json]:
    """All that a package is made of, in one batch."""
    says = "一次读全诊断、过敏、用药、体征 · conditions, allergies, medication, vital signs in one batch"
    answers = await player.post("", what_is_known(patient), says, expect=200)
    found = resources(answers)
    return [one for answer in found for one in (resources(answer) if answer["resourceType"] == "Bundle" else [answer])]
