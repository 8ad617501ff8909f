"""Is it alive, is it ready: two seconds for the database and every peer.

https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
"""

import asyncio

from services.kit.database import Database
from services.kit.peers import Peers, PeerUnavailable

ANSWER_SECONDS = 1.8
_LIVE = "/livez"


async def readiness(database: Database, peers: Peers) -> dict[str, bool]:
    """Return what the gateway needs, and whether each answers."""
    names = ("database", *peers.services)
    answers = await asyncio.gather(database.is_ready(), *(_is_live(peers, service) for service in peers.services))
    return dict(zip(names, answers, strict=True))


async def _is_live(peers: Peers, service: str) -> bool:
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return (await peers.call(service, "GET", _LIVE, [], b"")).status == 200  # noqa: PLR2004
    except (PeerUnavailable, TimeoutError):
        return False
