"""One running server, and the credentials of one system that is registered there."""

import time
from collections.abc import Iterator

import msgspec
import pytest

from gateway.backend_client import client_assertion
from gateway.keys import KeyPair
from tests.e2e.servers import Server, running, yiyang

NAME = "integrator"
SCOPES = "system/*.cruds"


class Entrance(msgspec.Struct, frozen=True):
    """Where the server is, and how the system `name` proves who it is there."""

    root: str
    base: str
    name: str
    keys: KeyPair
    token: str

    def assertion(self) -> str:
        """A signed statement for one token request: https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html"""
        address = f"{self.root}/auth/token"
        return client_assertion(self.name, self.keys.kid, self.keys.private_key, address, time.time())


@pytest.fixture(scope="package")
def entrance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entrance]:
    with running(tmp_path_factory.mktemp("clients") / "data") as server:
        yield _enter(server)


def _enter(server: Server) -> Entrance:
    place = ("--data", str(server.data_dir))
    added = yiyang("client", "add", NAME, "--organization", "hospital", "--scopes", SCOPES, *place)
    assert added.returncode == 0, added.stderr
    token = yiyang("token", NAME, "--base", server.base, *place)
    assert token.returncode == 0, token.stderr
    keys = msgspec.json.decode((server.data_dir / "clients" / f"{NAME}.json").read_bytes(), type=KeyPair)
    return Entrance(server.root, server.base, NAME, keys, token.stdout.strip())
