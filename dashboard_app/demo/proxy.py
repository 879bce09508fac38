"""A TCP proxy on loopback that can be slow, silent, or gone: for the demo's fleet, and for tests of faults."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_HOST = "127.0.0.1"
_CHUNK_BYTES = 65_536
_CONNECT_S = 5.0
_FROZEN_S = 300.0
_BACKLOG = 128

Place = tuple[str, int]
"""Host and port."""


class Mode(StrEnum):
    """What happens to a connection."""

    PASS = "pass"  # noqa: S105 - a mode, not a password
    """It is passed on."""
    FROZEN = "frozen"
    """It is accepted and never answered; connections that stand fall silent, too."""
    REFUSING = "refusing"
    """Nobody listens; connections that stand are cut."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How the proxy behaves. `latency_s` is added to each piece of data, in each direction."""

    mode: Mode = Mode.PASS
    latency_s: float = 0.0


CLEAR = Weather()


class FaultProxy:
    """One listener. Its port stays the same over changes of weather, refusing included."""

    def __init__(self, target: Callable[[], Place], weather: Weather = CLEAR) -> None:
        """No I/O. `target` is asked for at each connection, since a server may move."""
        self._target = target
        self._weather = weather
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_passing = asyncio.Event()

    @property
    def port(self) -> int:
        """The port it listens on. Raises RuntimeError before `start`."""
        if self._socket is None:
            raise RuntimeError("the proxy has not been started")
        return int(self._socket.getsockname()[1])

    @property
    def weather(self) -> Weather:
        """How it behaves now."""
        return self._weather

    async def start(self, port: int = 0) -> int:
        """Take `port` (0, or when it is taken: a free one) and behave as told; the port."""
        self._socket = _bound(port)
        await self.become(self._weather)
        return self.port

    async def become(self, weather: Weather) -> None:
        """Change the weather, for connections that stand, too."""
        self._weather = weather
        if weather.mode is Mode.FROZEN:
            self._is_passing.clear()
        else:
            self._is_passing.set()
        if weather.mode is Mode.REFUSING:
            await self._stop_listening()
            self.cut()
        elif self._server is None and self._socket is not None:
            self._socket = self._socket if self._socket.fileno() >= 0 else _bound(0)
            self._server = await asyncio.start_server(self._accept, sock=self._socket.dup(), backlog=_BACKLOG)

    def cut(self) -> None:
        """Reset every connection that stands."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        """Stop listening and end every connection."""
        await self._stop_listening()
        self.cut()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CONNECT_S)
        if self._socket is not None:
            self._socket.close()

    async def _stop_listening(self) -> None:
        """Close the listener, and with it the port; take the port again without listening, so that nobody else does."""
        if self._server is None or self._socket is None:
            return
        port = self.port
        self._server.close()
        self._server = None
        self._socket.close()
        self._socket = _bound(port)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection in a task of its own."""
        self._own(self._serve(reader, writer))

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that `close` ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect to the target and carry data both ways until one side ends."""
        self._writers.add(writer)
        try:
            await self._thawed()
            async with asyncio.timeout(_CONNECT_S):
                onward_reader, onward_writer = await asyncio.open_connection(*self._target())
            self._writers.add(onward_writer)
            try:
                back = self._own(self._carry(onward_reader, writer))
                await self._carry(reader, onward_writer)
                back.cancel()
            finally:
                self._writers.discard(onward_writer)
                onward_writer.transport.abort()
        except (OSError, TimeoutError):
            return  # the target is away: the caller sees a connection that ends
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _thawed(self) -> None:
        """Return when data passes; a connection frozen for too long is ended, so that the forgotten ones do not gather."""
        async with asyncio.timeout(_FROZEN_S):
            await self._is_passing.wait()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one direction; ends both when it ends."""
        with contextlib.suppress(OSError, TimeoutError):
            while piece := await reader.read(_CHUNK_BYTES):
                if self._weather.latency_s:
                    await asyncio.sleep(self._weather.latency_s)
                await self._thawed()
                writer.write(piece)
                await writer.drain()
        writer.transport.abort() if writer.transport.is_closing() else writer.close()


def _bound(port: int) -> socket.socket:
    """A socket that holds `port` on loopback without listening; a free port when that one is taken."""
    for wanted in (port, 0):
        held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((_HOST, wanted))
        except OSError:
            held.close()
            continue
        held.setblocking(False)
        return held
    raise OSError("no free port on 127.0.0.1")
