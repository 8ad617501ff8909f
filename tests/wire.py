"""An institution's client on the wire: through the gateway of a running server, with a token."""

import msgspec

from services.kit.peers import Peers
from tests.house import FHIR_JSON, HIS, Fhir, Response


class Wire(Fhir):
    """The client and its institution have one name; the token may be renewed at any time."""

    def __init__(self, root: str, organization: str, token: str, timeout_seconds: float = 60) -> None:
        caller = msgspec.structs.replace(HIS, client=organization, organization=organization)
        super().__init__(Peers({"yiyang": root}, timeout_seconds), caller, introduces=False)
        self.token = token

    async def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Response:
        fields = {"authorization": f"Bearer {self.token}"} | ({"content-type": FHIR_JSON} if body else {}) | headers
        encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
        answer = await self.peers.call("yiyang", method, f"/fhir{path.removesuffix('/')}", encoded, body)
        return Response(answer.status, answer.headers, answer.body)
