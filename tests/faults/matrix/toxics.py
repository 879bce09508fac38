"""A TCP proxy that spoils connections in eight ways, in either direction, switched while connections stand."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_HOST = "127.0.0.1"
_CHUNK = 65_536
_CONNECT_S = 5.0
_SILENCE_S = 0.5
_LINGER_NOT = struct.pack("ii", 1, 0)
"""SO_LINGER that turns a close into a reset."""


class Kind(StrEnum):
    """The eight kinds."""

    LATENCY = "latency"
    """Each piece comes `value` seconds later."""
    DOWN = "down"
    """Nobody listens; connections that stand are reset."""
    BANDWIDTH = "bandwidth"
    """`value` bytes a second."""
    SLOW_CLOSE = "slow_close"
    """A close is passed on `value` seconds later."""
    TIMEOUT = "timeout"
    """Nothing passes; after `value` seconds the connection ends, 0: never."""
    RESET = "reset"
    """The connection is reset `value` seconds after the first data."""
    SLICER = "slicer"
    """Pieces of `value` bytes, 2 ms apart."""
    LIMIT = "limit"
    """The connection ends after `value` bytes."""


class Way(StrEnum):
    """The direction of the data that is spoiled."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Toxic:
    """One fault. `ways`: in which directions."""

    kind: Kind
    value: float = 0.0
    ways: frozenset[Way] = frozenset(Way)


class ToxicProxy:
    """One listener before one server. `accepted` and `carried` count connections and bytes since the start."""

    def __init__(self, target: Callable[[], tuple[str, int]]) -> None:
        self._target = target
        self._toxics: tuple[Toxic, ...] = ()
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.accepted, self.carried = 0, 0
        self.asked_at: list[float] = []
        """When a client said something after half a second of silence."""

    async def become(self, *toxics: Toxic) -> None:
        """Have these faults from now on, on connections that stand, too; none: pass everything on."""
        self._toxics = toxics
        self._changed.set()
        self._changed = asyncio.Event()
        if any(toxic.kind is Kind.DOWN for toxic in toxics):
            await self._leave_port()
            self.reset_all()
        elif self._server is None:
            self._server = await asyncio.start_server(self._accept, _HOST, self.port, backlog=1024, reuse_address=True)
            self.port = self._server.sockets[0].getsockname()[1]

    def reset_all(self) -> None:
        """RST to every connection that stands."""
        for writer in list(self._writers):
            _reset(writer)

    async def close(self) -> None:
        """End everything."""
        await self._leave_port()
        self.reset_all()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CONNECT_S)

    async def _leave_port(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _of(self, kind: Kind, way: Way) -> Toxic | None:
        return next((toxic for toxic in self._toxics if toxic.kind is kind and way in toxic.ways), None)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._own(self._serve(reader, writer))

    def _own(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Both ways of one connection until one of them ends."""
        ours = {writer}
        self._writers.add(writer)
        try:
            async with asyncio.timeout(_CONNECT_S):
                far_reader, far_writer = await asyncio.open_connection(*self._target())
            ours.add(far_writer)
            self._writers.add(far_writer)
            lanes = {
                self._own(self._carry(reader, far_writer, writer, Way.UP)),
                self._own(self._carry(far_reader, writer, far_writer, Way.DOWN)),
            }
            try:
                await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for lane in lanes:
                    lane.cancel()
        except (OSError, TimeoutError):
            return
        finally:
            for one in ours:
                self._writers.discard(one)
                one.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter, way: Way) -> None:
        """One direction, until it ends or a fault ends it."""
        passed = 0
        with contextlib.suppress(OSError):
            while piece := await reader.read(_CHUNK):
                if way is Way.UP and (not self.asked_at or time.monotonic() - self.asked_at[-1] > _SILENCE_S):
                    self.asked_at.append(time.monotonic())
                if (reset := self._of(Kind.RESET, way)) is not None:
                    await asyncio.sleep(reset.value)
                    _reset(writer)
                    _reset(back)
                    return
                await self._held(way)
                if (limit := self._of(Kind.LIMIT, way)) is not None:
                    piece = piece[: max(int(limit.value) - passed, 0)]
                await self._pass(piece, writer, way)
                passed += len(piece)
                self.carried += len(piece)
                if limit is not None and passed >= limit.value:
                    return
        if (slow := self._of(Kind.SLOW_CLOSE, way)) is not None:
            await asyncio.sleep(slow.value)

    async def _held(self, way: Way) -> None:
        """Wait while nothing may pass. Raises ConnectionError when the silence has lasted as long as it should."""
        while (silence := self._of(Kind.TIMEOUT, way)) is not None:
            try:
                async with asyncio.timeout(silence.value or None):
                    await self._changed.wait()
            except TimeoutError:
                raise ConnectionAbortedError("silent for long enough") from None

    async def _pass(self, piece: bytes, writer: asyncio.StreamWriter, way: Way) -> None:
        if (late := self._of(Kind.LATENCY, way)) is not None:
            await asyncio.sleep(late.value)
        narrow, slicer = self._of(Kind.BANDWIDTH, way), self._of(Kind.SLICER, way)
        step = int(slicer.value) if slicer is not None else max(int(narrow.value / 20), 1) if narrow is not None else len(piece) or 1
        for start in range(0, len(piece), step):
            part = piece[start : start + step]
            if narrow is not None:
                await asyncio.sleep(len(part) / narrow.value)
            writer.write(part)
            await writer.drain()
            if slicer is not None:
                await asyncio.sleep(0.002)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST."""
    one = writer.get_extra_info("socket")
    if one is not None and one.fileno() >= 0:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()


@contextlib.asynccontextmanager
async def proxied(host: str, port: int, *toxics: Toxic) -> AsyncIterator[ToxicProxy]:
    """A proxy before host:port for the length of the block."""
    proxy = ToxicProxy(lambda: (host, port))
    await proxy.become()
    if toxics:
        await proxy.become(*toxics)
    try:
        yield proxy
    finally:
        await proxy.close()
