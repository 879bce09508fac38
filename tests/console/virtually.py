"""A whole console on virtual time over an app in this process: every loop of it but those that touch files and pages."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from benchmarks.simulation.virtual_time import LoopClock
from dashboard_app.console.console import Console
from dashboard_app.model.breaker import BreakerState
from dashboard_app.settings import Settings

READINGS = ("health", "stats", "healthes", "statses")
GUARD = {"ping", "status", "config"}
SICK = {"5xx": (500, b'{"detail": "sick"}'), "garbage": (200, b"<html>{]"), "redirect": (302, b"")}
LIMITS = {"throttling_level": "NORMAL", "max_concurrent_requests": 10, "max_requests_per_minute": 100, "request_delay_ms": 100}


def _what(path: str) -> tuple[str, int]:
    words = path.strip("/").split("/")
    if words[0] != "scan":
        return {"ping": "ping", "status": "status", "throttling-config": "config"}[words[-1]], 0
    if len(words) == 2:
        return "list", 0
    return (f"{words[2]}es", 0) if len(words) == 3 else (words[3], int(words[2]))


class SickServer:
    """Answers after 50 ms; `fault` says how it is sick: "", 5xx, slow, garbage, redirect, flapping. Notes who asked when."""

    def __init__(self, count: int, *, offers_bulk: bool = False) -> None:
        self.count = count
        self.fault = ""
        self.offers_bulk = offers_bulk
        self.console: Console | None = None
        self.seen: list[tuple[str, float, BreakerState]] = []
        self.good: dict[tuple[str, int], float] = {}
        self.in_flight: dict[str, int] = {}
        self.peak: dict[str, int] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        what, source_id = _what(scope["path"])
        assert self.console is not None
        self.seen.append((what, asyncio.get_running_loop().time(), self.console.breakers["api"].state))
        self.in_flight[what] = self.in_flight.get(what, 0) + 1
        self.peak[what] = max(self.peak.get(what, 0), self.in_flight[what])
        self.peak["readings"] = max(self.peak.get("readings", 0), sum(self.in_flight.get(each, 0) for each in READINGS))
        try:
            status, body = await self._answer(what, source_id, scope["query_string"].decode())
        finally:
            self.in_flight[what] -= 1
        await send({"type": "http.response.start", "status": status, "headers": [(b"location", b"/again")] if status == 302 else []})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, what: str, source_id: int, query: str) -> tuple[int, bytes]:
        now = asyncio.get_running_loop().time()
        fault = self.fault if self.fault != "flapping" else "5xx" if int(now / 3) % 2 else ""
        await asyncio.sleep(10.0 if fault == "slow" else 0.05)
        if fault in SICK:
            return SICK[fault]
        if what in ("healthes", "statses"):
            if not self.offers_bulk:
                return 404, b"{}"
            ids = [int(each) for each in query.partition("=")[2].split("%2C")]
            return 200, json.dumps({"items": [self._reading(what[:-2], each) for each in ids]}).encode()
        if what in GUARD:
            return 200, json.dumps(LIMITS if what == "config" else {"status": "healthy"}).encode()
        return 200, json.dumps(self._list() if what == "list" else self._reading(what, source_id)).encode()

    def _list(self) -> dict[str, Any]:
        return {"items": [{"id": n, "name": f"s{n}", "kind": "postgresql"} for n in range(1, self.count + 1)], "total": self.count}

    def _reading(self, what: str, source_id: int) -> dict[str, Any]:
        now = asyncio.get_running_loop().time()
        self.good[what, source_id] = now
        assert self.console is not None
        stamp = self.console.clock.now().isoformat()
        told = {"status": "healthy", "checked_at": stamp} if what == "health" else {"collected_at": stamp, "metrics": {"a": 1.0}}
        return {"data_source_id": source_id} | told

    def ordinary(self, state: BreakerState | None = None) -> list[float]:
        """When ordinary requests came, all or those that came in this state of the breaker."""
        return [at for what, at, seen in self.seen if what not in GUARD and (state is None or seen is state)]


@contextlib.asynccontextmanager
async def a_console(server: SickServer, data_dir: Path, **settings: Any) -> AsyncIterator[Console]:
    console = server.console = Console(Settings(data_dir=data_dir, **settings), LoopClock(), app=server)
    polls, loader = console.polls, console.loader
    loops = (polls.run_config(), polls.run_status(), polls.run_pings(), loader.run_list(), loader.health.run(), loader.metrics.run())
    tasks = [asyncio.create_task(each) for each in loops]
    try:
        yield console
        assert not any(task.done() for task in tasks), "a loop of the console has ended"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await console.queue.close()
        await console.backend.close()
