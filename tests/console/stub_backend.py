"""A server that speaks the contract as far as the console reads it, over real sockets, and records when each request came."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

READINGS = ("health", "stats", "healths", "statses")


@dataclass(slots=True)
class Seen:
    """One request: what, of whom, when it came and when it was answered (0: never)."""

    what: str
    source_id: int
    at: float
    answered_at: float = 0.0


@dataclass
class StubBackend:
    """`start()` listens on `port` (0: a free one, kept for the next start); change the fields while it runs.

    `used` of its pool's 30 connections are in use. `hung` ids never answer; `broken` ids answer 500; `failing` makes every call but the guard's answer 503.
    `fault` makes every call fail on the wire: "reset" breaks the connection off, "half-open" reads and never answers, "huge" sends
    2 GB and says so, "endless" sends a body without end, "redirect" sends the client to the same place again.
    """

    count: int = 20
    delay_s: float = 0.05
    list_delay_s: float = 0.0
    port: int = 0
    level: str = "NORMAL"
    status: str = "healthy"
    version: int = 1
    failing: bool = False
    offers_guard: bool = True
    hint: bool = False
    offers_bulk: bool = False
    used: int = 3
    fault: str = ""
    hung: set[int] = field(default_factory=set)
    broken: set[int] = field(default_factory=set)
    seen: list[Seen] = field(default_factory=list)
    authorizations: set[str] = field(default_factory=set)
    forced_answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._thawed = asyncio.Event()
        self._thawed.set()
        self.in_flight: dict[str, int] = {}
        self.peak: dict[str, int] = {}
        self.faulted = 0
        self.failed: list[tuple[str, float]] = []
        """What was asked, and when, while a fault was on."""
        self.largest_sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._client, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def freeze(self) -> None:
        """Accept connections and requests, answer none: what SIGSTOP does."""
        self._thawed.clear()

    def of(self, what: str) -> list[Seen]:
        return [each for each in self.seen if each.what == what]

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        line = await reader.readline()
        if not line:
            return False
        method, target, _ = line.decode().split(" ", 2)
        length = 0
        while (header := (await reader.readline()).decode().strip()) != "":
            name, _, value = header.partition(":")
            if name.lower() == "content-length":
                length = int(value)
            if name.lower() == "authorization":
                self.authorizations.add(value.strip())
        body = await reader.readexactly(length) if length else b""
        if self.fault:
            self.faulted += 1
            self.failed.append((_what(urlsplit(target).path)[0], time.monotonic()))
            return await self._fail(reader, writer, target)
        answering = asyncio.ensure_future(self._answer(method, target, body))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answering, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                return False
        finally:
            answering.cancel()
            gone.cancel()
            await asyncio.gather(answering, gone, return_exceptions=True)
        status, answer = answering.result()
        await self._thawed.wait()
        hint = f"X-Throttle: level={self.level}; max=10; rpm=100; delay=100; version={self.version}\r\n" if self.hint else ""
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{hint}Content-Length: {len(answer)}\r\n\r\n".encode() + answer
        )
        await writer.drain()
        return True

    async def _fail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> bool:
        """Do what `fault` says; False: the connection is over."""
        if self.fault == "half-open":
            await reader.read(1)
            return False
        if self.fault == "redirect":
            writer.write(f"HTTP/1.1 302 X\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return True
        if self.fault in ("huge", "endless"):
            length = b"Content-Length: 2147483648\r\n" if self.fault == "huge" else b""
            writer.write(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n" + length + b"\r\n")
            await self._pour(writer)
        writer.transport.abort()
        return False

    async def _pour(self, writer: asyncio.StreamWriter) -> None:
        """Send until the client has had enough."""
        sent, chunk = 0, b" " * 65536
        while not writer.is_closing():
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
            self.largest_sent = max(self.largest_sent, sent)

    async def _answer(self, method: str, target: str, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(target)
        what, source_id = _what(parts.path)
        request = Seen(f"{method} {what}" if method != "GET" else what, source_id, time.monotonic())
        self.seen.append(request)
        self.in_flight[what] = self.in_flight.get(what, 0) + 1
        self.peak[what] = max(self.peak.get(what, 0), self.in_flight[what])
        together = sum(self.in_flight.get(each, 0) for each in READINGS)
        self.peak["readings"] = max(self.peak.get("readings", 0), together)
        try:
            status, answer = await self._serve(what, source_id, parse_qs(parts.query), body)
        finally:
            self.in_flight[what] -= 1
            request.answered_at = time.monotonic()
        return status, answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    async def _serve(self, what: str, source_id: int, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        if what in self.forced_answers:
            return self.forced_answers[what]
        if what in ("ping", "status", "config", "cleanup"):
            return self._guard(what, body)
        if self.failing:
            return 503, {"code": "database_unavailable", "detail": "drill"}
        if what == "list":
            await asyncio.sleep(self.list_delay_s)
            return 200, self._list(int(query["limit"][0]), int(query["offset"][0]))
        if what in ("healths", "statses"):
            return await self._bulk(what, [int(each) for each in query["ids"][0].split(",")])
        return await self._reading(what, source_id)

    async def _bulk(self, what: str, source_ids: list[int]) -> tuple[int, Any]:
        if not self.offers_bulk:
            return 405, {"code": "refused", "detail": "one at a time"}
        await asyncio.sleep(self.delay_s)
        return 200, {"items": [_health(each) if what == "healths" else _stats(each) for each in source_ids]}

    async def _reading(self, what: str, source_id: int) -> tuple[int, Any]:
        if what == "other" or not 1 <= source_id <= self.count:
            return 404, {"code": "not_found", "detail": "no such thing"}
        if source_id in self.hung:
            await asyncio.Event().wait()
        await asyncio.sleep(self.delay_s)
        if source_id in self.broken:
            return 500, {"code": "error", "detail": "broken"}
        return 200, _health(source_id) if what == "health" else _stats(source_id)

    def _guard(self, what: str, body: bytes) -> tuple[int, Any]:
        if what == "ping":
            return 200, {"status": "ok"}
        if not self.offers_guard:
            return 404, {"code": "not_found", "detail": "not offered"}
        if what == "cleanup":
            return 200, {"closed_idle": 1, "reclaimed": 2, "terminated_backends": 0, "dry_run": b"true" in body}
        limits = {"NORMAL": (10, 100, 100), "MODERATE": (7, 70, 300), "AGGRESSIVE": (3, 30, 1000), "EMERGENCY": (1, 5, 2000)}[self.level]
        config = dict(zip(("max_concurrent_requests", "max_requests_per_minute", "request_delay_ms"), limits, strict=True))
        known = {
            "throttling_level": self.level,
            "usage_percent": round(self.used / 0.3, 1),
            "reasons": [],
            "measured_at": "2026-01-01T00:00:00Z",
        }
        if what == "status":
            return 200, known | {"status": self.status, "pool": {"checked_out": self.used, "capacity": 30}}
        return 200, known | config | {"version": self.version, "ttl_s": 30, "alert": None}

    def _list(self, limit: int, offset: int) -> dict[str, Any]:
        ids = range(1, self.count + 1)[offset : offset + limit]
        return {"items": [_source(source_id) for source_id in ids], "total": self.count}


def _what(path: str) -> tuple[str, int]:
    words = [word for word in path.split("/") if word]
    if words[:2] == ["scan", "data-sources"]:
        if len(words) == 2:
            return "list", 0
        if len(words) == 3 and words[2] in ("health", "stats"):
            return {"health": "healths", "stats": "statses"}[words[2]], 0
        if len(words) == 4 and words[3] in ("health", "stats"):
            return words[3], int(words[2])
    names = {"ping": "ping", "status": "status", "throttling-config": "config", "force-cleanup": "cleanup"}
    return names.get(words[-1], "other") if words else "other", 0


def _source(source_id: int) -> dict[str, Any]:
    return {"id": source_id, "name": f"s{source_id}", "kind": "postgresql", "host": "db", "port": 5432, "enabled": True, "extra": 1}


def _health(source_id: int) -> dict[str, Any]:
    at = "2026-01-01T00:00:00Z"
    return {
        "data_source_id": source_id,
        "status": "healthy",
        "since": at,
        "latency_ms": 3.1,
        "checked_at": at,
        "message": None,
        "checks": [],
    }


def _stats(source_id: int) -> dict[str, Any]:
    return {"data_source_id": source_id, "collected_at": "2026-01-01T00:00:00Z", "metrics": {"connections_used": 12}, "units": {}}


@asynccontextmanager
async def running(stub: StubBackend) -> AsyncIterator[StubBackend]:
    await stub.start()
    try:
        yield stub
    finally:
        if stub._server is not None:
            await stub.stop()
