"""How a subscription stands, written by the platform as a version of it: http://hl7.org/fhir/R4/valueset-subscription-status.html"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from services.fhir.audit import row
from services.fhir.interactions.commit import Finish, Written, carry_out
from services.fhir.interactions.intent import Intent
from services.fhir.interactions.prepare import Prepared, prepare
from services.fhir.service import Service
from services.fhir.store.store import Store
from services.kit.caller import Caller

Json = dict[str, Any]

NOTIFIER: Final = Caller("yiyang-notifier", "", None, (), "HOPERAT", "notifier", "")
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_decode: Final = msgspec.json.Decoder(dict[str, Any])


async def set_status(
    service: Service, subscription: str, status: str, error: str | None, holds: Callable[[Json], bool]
) -> bool:
    """Write the status where `holds` says so of what is there now; whether it stands there."""
    platform = service.seen_by(NOTIFIER).as_platform()

    async def plan(store: Store) -> tuple[Prepared, Finish[bool]]:
        current = await store.to_write("Subscription", subscription)
        if current is None or current.body is None or not holds(_decode.decode(current.body)):
            return Prepared(), lambda _store, _written: False
        body = _with_status(current.body.encode(), status, error)
        intent = Intent("PUT", "Subscription", subscription, body, by_platform=True)
        return await prepare({0: intent}, store, platform), finish

    def finish(store: Store, written: Written) -> bool:
        store.audit(row(platform.clock.now(), NOTIFIER, "update", 200, "Subscription", subscription, of=written[0]))
        return True

    return await carry_out(plan, platform)


def _with_status(body: bytes, status: str, error: str | None) -> bytes:
    members = _members.decode(body)
    members["status"] = msgspec.Raw(msgspec.json.encode(status))
    members.pop("error", None)
    if error is not None:
        members["error"] = msgspec.Raw(msgspec.json.encode(error))
    return msgspec.json.encode(members)
