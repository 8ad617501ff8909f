"""A page link is worth something in its organization alone, and there no more than the purpose allows: docs/adr/0007"""

from typing import TYPE_CHECKING, Final

from tests.leak.model import Who
from tests.shelf import link

if TYPE_CHECKING:
    from tests.leak.probes import Probes

OK, BAD = 200, 400


async def of_another(probes: "Probes", who: Who) -> None:
    kind = probes.random.choice(("Patient", "Observation", "Encounter"))
    way = probes.random.choice(
        (f"/{kind}?_count=1", f"/{kind}/_history?_count=1", f"/{kind}?_count=1&_sort=-_lastUpdated")
    )
    following = link((await probes.call(who, "GET", way)).json(), "next")
    if following is None:
        return
    other = probes.world.anyone()
    answer = await probes.call(other, "GET", following)
    if other.organization != who.organization:
        assert answer.status_code == BAD, (who, other, way, answer.text)
        return
    assert answer.status_code == OK, (who, other, way, answer.text)
    if "_history" not in way:
        probes.only_seen(other, answer)


PROBES: Final = ((3, of_another),)
