"""A server that speaks what the loader reads, with SQLAlchemy's pool as arithmetic: 20 kept, 10 more, refused at once when all are in use.

A single read and a bulk read hold one connection for as long as they run. What a source takes is waited for behind the real lanes of
`backend/sources`; the level, the config and the hint in each answer come from the real `policy/throttle`.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from starlette.types import Receive, Scope, Send

from dashboard_app.backend.sources.lanes import Lanes
from dashboard_app.model.errors import DeadlinePassed
from dashboard_app.model.pool import Level
from dashboard_app.policy.throttle import Throttle, config_for, follow, hint_for

KEPT, CAPACITY = 20, 30
OPENING_S = 0.01
"""A connection that is not kept yet takes so long to open."""
_STAMP = "2026-01-01T00:00:00Z"


@dataclass
class Behaviour:
    """What is simulated. `steps`: (seconds after the first reading, connections others hold from then on)."""

    sources: int = 1000
    answer_s: float = 0.05
    others: int = 0
    steps: Sequence[tuple[float, int]] = ()
    offers_bulk: bool = True
    most_at_once: int | None = None
    """What the config says instead of the level's number; None: the contract's."""


@dataclass
class Figures:
    """What came of it. `waited`: connections that others wanted at a step and found taken by the console."""

    requests: int = 0
    refused: int = 0
    peak: int = 0
    peak_own: int = 0
    waited: int = 0


class SimulatedServer:
    """An ASGI app."""

    def __init__(self, behaviour: Behaviour) -> None:
        """Nobody has asked."""
        self.behaviour, self.figures = behaviour, Figures()
        self._others, self._own, self._open = behaviour.others, 0, 0
        self._throttle, self._version = Throttle(), 1
        self._lanes = Lanes()
        self._stepping: asyncio.Task[None] | None = None

    @property
    def used(self) -> int:
        """Connections in use."""
        return min(self._others + self._own, CAPACITY)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        self._follow()
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        status, body = await self._answer(str(scope["path"]), query)
        self._follow()
        hint = hint_for(self._throttle.level, self._version)
        if self.behaviour.most_at_once is not None:
            parts = dict(part.split("=") for part in hint.split("; "))
            hint = "; ".join(f"{name}={value}" for name, value in (parts | {"max": str(self._most())}).items())
        headers = [(b"content-type", b"application/json"), (b"x-throttle", hint.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})

    def close(self) -> None:
        """End the steps."""
        if self._stepping is not None:
            self._stepping.cancel()

    async def _answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        words = path.strip("/").split("/")
        if words[-1] == "throttling-config":
            return 200, self._config()
        if words[-1] == "status":
            return 200, {"status": "healthy", "pool": {"checked_out": self.used, "capacity": CAPACITY}}
        if words[-1] == "ping":
            return 200, {"status": "ok"}
        if words[-1] == "data-sources":
            return 200, self._list(int(query["limit"]), int(query["offset"]))
        self._step()
        self.figures.requests += 1
        if not await self._checkout():
            return 503, {"code": "database_unavailable", "detail": "30 of 30 in use"}
        try:
            return await self._read(words, query)
        finally:
            self._follow()
            self._own -= 1
            self._follow()
            self._open = min(self._open, max(KEPT, self._others + self._own))

    async def _read(self, words: list[str], query: dict[str, str]) -> tuple[int, Any]:
        if len(words) == 4:  # noqa: PLR2004 - scan/data-sources/{id}/health
            return 200, await self._probe(int(words[2]))
        if not self.behaviour.offers_bulk:
            return 404, {"code": "not_found", "detail": "no such thing"}
        found = await asyncio.gather(*(self._probe(int(each)) for each in query["ids"].split(",")))
        return 200, {"items": found}

    async def _probe(self, source_id: int) -> dict[str, Any]:
        try:
            async with self._lanes.place(slow=False):
                await asyncio.sleep(self.behaviour.answer_s)
        except DeadlinePassed:
            return {"data_source_id": source_id, "status": "unknown", "checked_at": None}
        at = datetime.fromtimestamp(asyncio.get_running_loop().time(), UTC).isoformat()
        return {"data_source_id": source_id, "status": "healthy", "checked_at": at}

    async def _checkout(self) -> bool:
        """Take a connection; False when all are in use."""
        if self._others + self._own >= CAPACITY:
            self.figures.refused += 1
            return False
        self._own += 1
        self._follow()
        self.figures.peak = max(self.figures.peak, self.used)
        self.figures.peak_own = max(self.figures.peak_own, self._own)
        if self._others + self._own > self._open:
            self._open = self._others + self._own
            await asyncio.sleep(OPENING_S)
        return True

    def _step(self) -> None:
        """Begin the steps with the first reading."""
        if self._stepping is None and self.behaviour.steps:
            self._stepping = asyncio.create_task(self._run_steps())

    async def _run_steps(self) -> None:
        began = asyncio.get_running_loop().time()
        for after_s, others in self.behaviour.steps:
            await asyncio.sleep(began + after_s - asyncio.get_running_loop().time())
            self._follow()
            self._others = others
            self.figures.waited += max(others + self._own - CAPACITY, 0)
            self.figures.peak = max(self.figures.peak, self.used)
            self._follow()

    def _follow(self) -> None:
        """Let the level follow the usage; each change is a new version."""
        before = self._throttle.level
        self._throttle = follow(self._throttle, 100.0 * self.used / CAPACITY, asyncio.get_running_loop().time())
        self._version += self._throttle.level is not before

    def _most(self) -> int:
        """What the config says how many requests may be under way."""
        config = config_for(self._throttle, 0.0, (), 1, datetime.now(UTC))
        told = self.behaviour.most_at_once
        return config.max_concurrent_requests if told is None else min(told, config.max_concurrent_requests)

    def _config(self) -> dict[str, Any]:
        config = replace(
            config_for(self._throttle, 100.0 * self.used / CAPACITY, (), self._version, datetime.now(UTC)),
            max_concurrent_requests=self._most(),
        )
        return {
            "throttling_level": Level(config.level).value,
            "max_concurrent_requests": config.max_concurrent_requests,
            "max_requests_per_minute": config.max_requests_per_minute,
            "request_delay_ms": config.request_delay_ms,
            "usage_percent": config.usage_percent,
            "version": config.version,
            "ttl_s": config.ttl_s,
        }

    def _list(self, limit: int, offset: int) -> dict[str, Any]:
        ids = range(1, self.behaviour.sources + 1)[offset : offset + limit]
        items = [{"id": each, "name": f"s{each}", "kind": "postgresql", "host": "db", "port": 5432, "enabled": True} for each in ids]
        return {"items": items, "total": self.behaviour.sources}
