"""The stream of events as this console reads it: from this process's own history, or over a WebSocket from another server.

Both are the contract's `/api/v1/events/ws`: messages with growing ids, resume by the last id, RESET when the history does not reach.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException

from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BackendFailed, Refused
from dashboard_app.model.event import RESET, Message
from dashboard_app.model.secret import Secret
from dashboard_app.runtime.hub import FellBehind, Hub

PATH = "/api/v1/events/ws"
_LONGEST_TYPE = 200
_MOST_ID = 2**63
START = _MOST_ID - 1
"""Asked for by who has read nothing yet: no message has this id, so the RESET that comes first tells where the stream stands."""
_LOOK_S = 0.1
_PLANNED = frozenset({1000, 1001, 1012, 1013})
"""Closes that are no fault of the server: it is over, the server goes away, starts anew, or this reader was too slow."""


@dataclass(frozen=True, slots=True)
class FeedMessage:
    """One message of the stream. `payload` is its data as JSON, an object; of a RESET the id is the newest of the server's history."""

    id: int
    type: str
    payload: bytes

    def data(self) -> dict[str, Any]:
        """The data; an empty object when it is none."""
        try:
            found = orjson.loads(self.payload)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}


class FeedSource(Protocol):
    """Where the stream comes from."""

    def opened(self, last_id: int) -> AbstractAsyncContextManager[AsyncIterator[FeedMessage]]:
        """The messages after `last_id` (or START), for the length of the block. Ends when the server says that it is over.

        Raises:
            Refused: this server has no stream, or not for this console.
            BackendFailed: it cannot be opened, or (while reading) it broke.

        """


class Published(Protocol):
    """What publishes in this process."""

    @property
    def hub(self) -> Hub[Message]:
        """The history, and the bell for its readers."""

    @property
    def is_open(self) -> bool:
        """True once the history was read, so that readers can resume."""


class InProcessFeed:
    """Reads this process's own events, without a socket."""

    def __init__(self, published: Published, clock: Clock, *, open_s: float) -> None:
        """`open_s`: how long to wait for the history of a process that has just begun."""
        self._published, self._clock, self._open_s = published, clock, open_s

    @asynccontextmanager
    async def opened(self, last_id: int) -> AsyncIterator[AsyncIterator[FeedMessage]]:
        """As FeedSource says."""
        until = self._clock.monotonic() + self._open_s
        while not self._published.is_open:
            if self._clock.monotonic() >= until:
                raise BackendFailed("The history of events was not read yet.", cause="http", status=503)
            await self._clock.sleep(_LOOK_S)
        hub = self._published.hub
        position = hub.position_after(last_id)
        reader = hub.join(position)
        reset = FeedMessage(hub.newest_id, RESET, _reset(hub)) if position is None else None

        async def messages() -> AsyncIterator[FeedMessage]:
            if reset is not None:
                yield reset
            while True:
                try:
                    found = reader.take()
                except FellBehind:
                    return
                for message in found:
                    yield FeedMessage(message.id, message.type, message.payload)
                if not found:
                    await reader.wait()

        try:
            yield messages()
        finally:
            hub.leave(reader)


def _reset(hub: Hub[Message]) -> bytes:
    """What a reader with a gap is told."""
    oldest = hub.oldest
    return orjson.dumps({"oldest_id": None if oldest is None else oldest.id, "newest_id": hub.newest_id or None})


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """`open_s`: to be connected; `ping_s`: between pings, `pong_s`: for their answers; `max_bytes`: the largest message."""

    open_s: float = 8.0
    ping_s: float = 20.0
    pong_s: float = 10.0
    max_bytes: int = 16_777_216


class _Connect(connect):
    """Follows no redirect: the token is for the server that was named."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """The refusal itself."""
        return exc


class SocketFeed:
    """Reads another server's events over a WebSocket: certificates are checked, proxies of the environment not used."""

    def __init__(self, url: str, token: Secret | None, limits: SocketLimits) -> None:
        """`url` is that of BACKEND_URL."""
        parts = urlsplit(url)
        self._is_tls = parts.scheme == "https"
        self._url = urlunsplit(("wss" if self._is_tls else "ws", parts.netloc, parts.path.rstrip("/") + PATH, "", ""))
        self._token, self._limits = token, limits

    @asynccontextmanager
    async def opened(self, last_id: int) -> AsyncIterator[AsyncIterator[FeedMessage]]:
        """As FeedSource says."""
        socket = await self._connected(last_id)

        async def messages() -> AsyncIterator[FeedMessage]:
            try:
                async for text in socket:
                    yield parsed(text)
            except ConnectionClosed as closed:
                if closed.rcvd is None or closed.rcvd.code not in _PLANNED:
                    raise BackendFailed("The live feed was cut.", cause="refused") from closed

        try:
            yield messages()
        finally:
            await socket.close()

    async def _connected(self, last_id: int) -> ClientConnection:
        """An open socket."""
        limits = self._limits
        try:
            async with asyncio.timeout(limits.open_s):
                return await _Connect(
                    f"{self._url}?last_event_id={last_id}",
                    additional_headers={"Authorization": f"Bearer {self._token.reveal()}"} if self._token is not None else {},
                    user_agent_header="spillway-console",
                    ssl=ssl.create_default_context() if self._is_tls else None,
                    proxy=None,
                    open_timeout=None,
                    close_timeout=1.0,
                    ping_interval=limits.ping_s,
                    ping_timeout=limits.pong_s,
                    max_size=limits.max_bytes,
                )
        except InvalidStatus as refused:
            raise _judged(refused) from refused
        except TimeoutError as late:
            raise BackendFailed(f"The live feed was not open within {limits.open_s:g} s.", cause="timeout") from late
        except (InvalidHandshake, InvalidURI) as odd:
            raise BackendFailed("The server's answer is no WebSocket's.", cause="garbage") from odd
        except (OSError, EOFError, WebSocketException) as away:
            raise BackendFailed("Nothing listens at the server's address.", cause="refused") from away


def _judged(refused: InvalidStatus) -> Exception:
    """A handshake that was answered otherwise: 4xx is this console's own matter, the rest the server's."""
    status = refused.response.status_code
    if status in (401, 403):
        return Refused("The server refused this console's token for the live feed.")
    if 400 <= status < 500 and status != 429:  # noqa: PLR2004 - HTTP's own numbers
        return Refused("This server has no live feed.")
    after = refused.response.headers.get("Retry-After", "")
    return BackendFailed(
        f"The live feed was refused ({status}).", cause="http", status=status, retry_after_s=float(after) if after.isdigit() else None
    )


def parsed(text: str | bytes) -> FeedMessage:
    """One message of the wire.

    Raises:
        BackendFailed: it is none.

    """
    try:
        told = orjson.loads(text)
        number, event_type, data = told["id"], told["event"], told["data"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as odd:
        raise BackendFailed("A message of the live feed cannot be read.", cause="garbage") from odd
    is_message = type(number) is int and 0 <= number < _MOST_ID and isinstance(event_type, str) and isinstance(data, dict)
    if not is_message or not 0 < len(event_type) <= _LONGEST_TYPE:
        raise BackendFailed("A message of the live feed cannot be read.", cause="garbage")
    return FeedMessage(number, event_type, orjson.dumps(data))
