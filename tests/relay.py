"""A wire to PostgreSQL that a test can cut or hold still, whatever kind of server is behind it."""

import asyncio
from contextlib import suppress
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

_CHUNK = 65_536


class Relay:
    """Listens on a port of its own; `url` is the server's, by way of here."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    @property
    def url(self) -> str:
        user = self._parts.netloc.rpartition("@")[0]
        return f"postgresql://{user}{'@' if user else ''}127.0.0.1:{self._port}{self._parts.path}"

    async def cut(self) -> None:
        """The server is away: connections end, new ones are refused."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def mend(self) -> None:
        self._flowing.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", getattr(self, "_port", 0))
        self._port: int = self._server.sockets[0].getsockname()[1]

    def hold(self) -> None:
        """The server is silent: connections stay, new ones are accepted, nothing comes back."""
        self._flowing.clear()

    def release(self) -> None:
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await self._connect()
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        query = parse_qs(self._parts.query)
        host = query["host"][0] if "host" in query else unquote(self._parts.hostname or "")
        port = int(query["port"][0]) if "port" in query else self._parts.port or 5432
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            try:
                while chunk := await source.read(_CHUNK):
                    await self._flowing.wait()
                    sink.write(chunk)
                    await sink.drain()
            finally:
                sink.close()
