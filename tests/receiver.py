"""A subscriber's endpoint on a real socket, and what it was told: http://hl7.org/fhir/uv/subscriptions-backport/channels.html#rest-hook"""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.listening import free_port, listening

Json = dict[str, Any]
SECRET: Final = "a-secret-of-the-hospital-for-tests-only"


class Told:
    """One notification as it came in."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body
        self.bundle: Json = json.loads(body)

    @property
    def parameters(self) -> list[Json]:
        parameters: list[Json] = self.bundle["entry"][0]["resource"]["parameter"]
        return parameters

    def value(self, name: str) -> Any:
        found = next(p for p in self.parameters if p["name"] == name)
        return next(value for key, value in found.items() if key.startswith("value"))

    @property
    def kind(self) -> str:
        return str(self.value("type"))

    @property
    def events(self) -> list[Json]:
        """Number, focus and version of each event; the version stands in the entry of the same place."""
        parts = [
            {p["name"]: p for p in each["part"]} for each in self.parameters if each["name"] == "notification-event"
        ]
        entries = iter(self.bundle["entry"][1:])
        return [
            {
                "number": int(part["event-number"]["valueString"]),
                "focus": focus.rpartition("/fhir/")[2],
                "version": int(next(entries)["response"]["etag"][3:-1]),
            }
            if (focus := part.get("focus", {}).get("valueReference", {}).get("reference"))
            else {"number": int(part["event-number"]["valueString"])}
            for part in parts
        ]

    def is_signed_with(self, secret: str) -> bool:
        message = f"{self.headers['x-yiyang-timestamp']}.".encode() + self.body
        mac = hmac.new(secret.encode(), message, "sha256").hexdigest()
        return self.headers["x-yiyang-signature"] == f"sha256={mac}"


Answer = Callable[[Told], int]


class Receiver:
    """Answers 200, or what `answer` says; `delay` seconds later."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.told: list[Told] = []
        self.answer: Answer = lambda _: 200
        self.delay = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        told = Told({n.decode(): v.decode("latin-1") for n, v in scope["headers"]}, body)
        await asyncio.sleep(self.delay)
        status = self.answer(told)
        if 200 <= status < 300:
            self.told.append(told)
        location = [(b"location", b"http://127.0.0.1:1/")] if 300 <= status < 400 else []
        await send({"type": "http.response.start", "status": status, "headers": location})
        await send({"type": "http.response.body", "body": b""})

    @property
    def kinds(self) -> list[str]:
        return [told.kind for told in self.told]

    @property
    def events(self) -> list[Json]:
        return [event for told in self.told if told.kind == "event-notification" for event in told.events]

    def seen(self, name: str) -> list[Any]:
        return [event.get(name) for event in self.events]


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    port = free_port()
    receiver = Receiver(f"http://127.0.0.1:{port}/notifications?key=1")
    async with listening(receiver, port):
        yield receiver
