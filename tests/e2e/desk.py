"""The institutions of docs/curl.md and docs/bruno on a running server: a nursing home, a hospital, their staff and their agreement."""

from tests.e2e.servers import Server, yiyang
from tests.referrals import Scene
from tests.wire import Wire

HOME, HOSPITAL = "my-home", "my-hospital"


async def furnish(server: Server) -> Wire:
    """The home's client; what is there already stays."""
    clients = [_client(server, name) for name in (HOME, HOSPITAL)]
    if (await clients[0].get(f"/Practitioner/{HOME}-doctor")).status_code != 200:
        await Scene(clients).furnish()
    return clients[0]


def _client(server: Server, name: str) -> Wire:
    place = ("--data", str(server.data_dir))
    added = yiyang("client", "add", name, "--organization", name, "--scopes", "system/*.cruds", *place)
    assert added.returncode == 0, added.stderr
    token = yiyang("token", name, "--base", server.base, *place).stdout.strip()
    return Wire(server.root, name, token)
