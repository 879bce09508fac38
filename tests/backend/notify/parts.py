"""What tests of notifications are made of: notices, a post that keeps letters, a listener on loopback."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dashboard_app.model.alert import Severity
from dashboard_app.model.errors import NotDelivered
from dashboard_app.model.notification import Channel, ChannelSettings, Letter, Notice, Topic
from dashboard_app.model.secret import Secret

AT = datetime(2026, 1, 1, tzinfo=UTC)
CANARY = "canary-T0KEN-9f8e7d6c5b4a"


def source(number: int, became: str = "unhealthy", was: str = "healthy", severity: Severity = Severity.WARNING) -> Notice:
    return Notice(Topic.SOURCES, f"source {number}", f"db-{number}", was, became, severity, AT, ref=number)


def alert(number: int, became: str = "opened", severity: Severity = Severity.CRITICAL, says: str = "Pool usage 93 %") -> Notice:
    return Notice(Topic.ALERTS, f"alert {number}", "pool", "", became, severity, AT, says, number)


def breaker(became: str = "open", was: str = "closed", says: str = "threshold", severity: Severity = Severity.WARNING) -> Notice:
    return Notice(Topic.BREAKERS, "breaker api", "api", was, became, severity, AT, says)


def channel(**settings: object) -> Channel:
    return Channel(1, ChannelSettings(**{"name": "ops", "topics": frozenset(Topic), "least": Severity.INFO, **settings}), "json", AT, AT)


class KeptPost:
    """Keeps letters in place of sending them; fails as `failures` says, one for each try; stands still while `gate` is shut."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.failures: list[NotDelivered] = []
        self.tries: list[bool] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def check(self, url: Secret) -> None:
        if self.failures:
            raise self.failures.pop(0)

    async def send(self, url: Secret, letter: Letter, limit_s: float, *, is_failing: bool = False) -> float:
        self.tries.append(is_failing)
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.letters.append(letter)
        return 0.25


@dataclass
class Listener:
    """An HTTP server that keeps what it is sent. `status`: what it answers; `stall`: it never does."""

    port: int = 0
    status: int = 200
    stall: bool = False
    got: list[dict[str, object]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def url(self, path: str = "hook") -> str:
        return f"json://127.0.0.1:{self.port}/{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length"))
            self.paths.append(head.split(" ")[1])
            self.got.append(json.loads(await reader.readexactly(length)))
            if self.stall:
                await reader.read()  # until the other end gives up
            else:
                writer.write(
                    f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n".encode()
                )
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    made = Listener()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


async def soon(claim: Callable[[], object], within_s: float = 60.0) -> None:
    """Return as soon as `claim()` holds."""
    async with asyncio.timeout(within_s):
        while not claim():  # noqa: ASYNC110 - the claim is about another process, which sets no event
            await asyncio.sleep(0.01)
