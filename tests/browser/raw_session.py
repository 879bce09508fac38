"""A browser session without a browser: the socket that a page opens, and what the server sends over it."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import socketio

_NAMESPACE = "/_event"
_ON_LOAD = "reflex___state____state.reflex___state____on_load_internal_state.on_load_internal"


class RawSession:
    """One open page as the server sees it."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self._news = asyncio.Event()
        self._socket = socketio.AsyncClient(reconnection=False)
        self._socket.on("event", self._hear, namespace=_NAMESPACE)

    async def open(self, url: str, cookie: str, path: str) -> None:
        """Connect with the session's cookie and load `path`."""
        await self._socket.connect(
            f"{url}?token={uuid.uuid4()}",
            headers={"Cookie": cookie, "Origin": url},
            transports=["websocket"],
            socketio_path=_NAMESPACE,
            namespaces=[_NAMESPACE],
        )
        await self.send(_ON_LOAD, path=path)

    async def send(self, name: str, payload: dict[str, Any] | None = None, path: str = "/") -> None:
        """Call an event handler by its full name."""
        router = {"pathname": path, "asPath": path, "query": {}}
        await self._socket.emit("event", {"name": name, "payload": payload or {}, "router_data": router}, namespace=_NAMESPACE)

    async def shows(self, text: str, timeout_s: float = 20) -> None:
        """Return when the server has sent something that holds `text`."""
        async with asyncio.timeout(timeout_s):
            while not any(text in message for message in self.received):
                self._news.clear()
                await self._news.wait()

    async def ended(self, timeout_s: float) -> None:
        """Return when the server has closed the socket."""
        async with asyncio.timeout(timeout_s):
            await self._socket.wait()

    async def close(self) -> None:
        """Leave."""
        await self._socket.disconnect()

    async def _hear(self, message: Any) -> None:
        self.received.append(json.dumps(message))
        self._news.set()


@asynccontextmanager
async def open_session(url: str, cookie: str, path: str = "/") -> AsyncIterator[RawSession]:
    """A session that has loaded `path`; closed at the end."""
    session = RawSession()
    await session.open(url, cookie, path)
    try:
        yield session
    finally:
        await session.close()
