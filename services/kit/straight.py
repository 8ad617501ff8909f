"""A FastAPI app whose busiest paths go straight to one ASGI app: https://asgi.readthedocs.io/en/latest/specs/www.html

FastAPI's own layers (error page, telemetry, body limit, exit stack, router) cost a twentieth of a request, in the gateway and again in the
service behind it, and do nothing for an app that reads its own body and answers every failure itself.
"""

from typing import Any

from fastapi import FastAPI

from services.kit.transport import AsgiApp


class StraightApp(FastAPI):
    """`go_straight` names the app for the `prefixes` and all below them but `besides`; everything else takes FastAPI's way."""

    _straight: AsgiApp | None = None
    _prefixes: tuple[str, ...] = ()
    _below: tuple[str, ...] = ()
    _besides: frozenset[str] = frozenset()

    def go_straight(self, app: AsgiApp, *prefixes: str, besides: frozenset[str] = frozenset()) -> None:
        self._straight, self._prefixes, self._besides = app, prefixes, besides
        self._below = tuple(f"{prefix}/" for prefix in prefixes)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._straight is not None and scope["type"] == "http":
            path = scope["path"]
            if (path.startswith(self._below) or path in self._prefixes) and path not in self._besides:
                await self._straight(scope, receive, send)
                return
        await super().__call__(scope, receive, send)
