"""The institutions of the county and their staff: a hospital, a clinic in every town, nursing homes by the number of elders."""

from typing import Final

from services.kit.identifiers import uscc
from yiyang.population.chance import chance
from yiyang.population.people import TOWNS, person
from yiyang.story.institutions import Institution, Staff
from yiyang.story.terms import local

COUNTY: Final = ("150302", "海勃湾区")
ELDERS_OF_A_HOME: Final = 400  # of the county's elders for one home
_STAFF: Final = {
    "home": (("nurse", "护士"), ("caregiver", "护理员")),
    "clinic": (("physician", "家庭医生"), ("nurse", "护士")),
    "hospital": (("physician", "老年医学科医师"), ("nurse", "护士")),
}
_WARDS: Final = {
    "home": ("照护区", "照护区 1 床"),
    "clinic": ("全科", "观察 1 床"),
    "hospital": ("老年医学科", "老年医学科 1 床"),
}
_LETTERS: Final = {"home": "H", "clinic": "C", "hospital": "K"}
_KINDS: Final = {
    "home": local("institution-type", "nursing-home", "养老机构"),
    "clinic": local("institution-type-ws218", "B100", "社区卫生服务中心"),
    "hospital": local("institution-type-ws218", "A100", "综合医院"),
}


class County:
    """Made anew the same from its seed and the number of its elders."""

    def __init__(self, elders: int, seed: int = 1) -> None:
        self.elders = elders
        self.seed = seed
        homes = max(2, elders // ELDERS_OF_A_HOME)
        self.hospital = self._institution("hospital", 0, "县医院（演示）")
        self.clinics = {
            town: self._institution("clinic", n, f"{town}社区卫生服务中心（演示）") for n, town in enumerate(TOWNS)
        }
        self.homes = tuple(
            self._institution("home", n, f"{TOWNS[n % len(TOWNS)]}第{n // len(TOWNS) + 1}养老院（演示）")
            for n in range(homes)
        )

    @property
    def institutions(self) -> tuple[Institution, ...]:
        return (self.hospital, *self.clinics.values(), *self.homes)

    def _institution(self, kind: str, number: int, name: str) -> Institution:
        code = f"{_LETTERS[kind]}{self.seed % 1000:03d}{number:04d}"
        made = f"county{self.seed}-{kind}-{number}"
        return Institution(
            id=made,
            name=name,
            short=code,
            uscc=uscc("52" if kind == "home" else "12", COUNTY[0], code),
            type=_KINDS[kind],
            district=COUNTY,
            street=f"演示路{number + 1}号",
            phone=f"0000-{number:07d}",
            staff=tuple(self._staff(made, n, role) for n, role in enumerate(_STAFF[kind])),
            ward=_WARDS[kind],
        )

    def _staff(self, institution: str, number: int, role: tuple[str, str]) -> Staff:
        """Named like the elders' children."""
        drawn = chance(self.seed, institution, number).randrange(10**6)
        name = person(drawn, self.seed).name
        return Staff(f"{institution}-{role[0]}", name, role, f"DEMO{drawn:06d}{number}")
