"""A thousand readers of a stream in one process: each a socket and a few counters, so that the reader is not what is measured."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, field

_ID = re.compile(rb"^id: (\d+)$", re.MULTILINE)


@dataclass(slots=True)
class Reader(asyncio.Protocol):
    """One connection that reads what comes. `ids` grows by the id of each whole frame; `on_frame` sees the frames of a few readers."""

    request: bytes
    on_frame: Callable[[bytes], None] | None = None
    ids: list[int] = field(default_factory=list)
    is_lost: bool = False
    _rest: bytes = b""
    transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Count whole frames. The sizes of HTTP chunks stand between frames and never before an `id:` on its line."""
        text = self._rest + data
        end = text.rfind(b"\n\n")
        if end < 0:
            self._rest = text
            return
        whole, self._rest = text[: end + 2], text[end + 2 :]
        self.ids += map(int, _ID.findall(whole))
        if self.on_frame is not None:
            for frame in whole.split(b"\n\n"):
                self.on_frame(frame)

    def connection_lost(self, _error: Exception | None) -> None:
        """The server has hung up."""
        self.is_lost = True


async def connected(
    port: int, path: str, count: int, headers: str = "", *, watched_every: int = 0, on_frame: Callable[[bytes], None] | None = None
) -> list[Reader]:
    """So many readers, connected fifty at a time; each `watched_every`th shows its frames to `on_frame`."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n".encode()
    loop, readers = asyncio.get_running_loop(), []
    for start in range(0, count, 50):
        some = [
            Reader(request, on_frame if watched_every and number % watched_every == 0 else None)
            for number in range(start, min(start + 50, count))
        ]
        await asyncio.gather(*(loop.create_connection(lambda one=one: one, "127.0.0.1", port) for one in some))
        readers += some
    return readers


def closed(readers: list[Reader]) -> None:
    """Hang up."""
    for reader in readers:
        if reader.transport is not None:
            reader.transport.abort()
