"""What the fake console lacks for the pages of the pool, one source, audit, settings and drill: a guard with three leaks."""

import math
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from dashboard_app.access.audit_chain import ChainReport
from dashboard_app.console.client.measured import ClientReading, Clients, Efficiency, Performance, RouteReading, SizeReading, Sizing
from dashboard_app.model.errors import BackendFailed, SpillwayError
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require
from dashboard_app.settings import LoadedSettings
from dashboard_app.store.audit import AuditRow, Head
from tests.console.fake_console import FakeBackend, FakeConsole, FakeReading, status_json

HOLDERS: dict[str, Any] = {
    "items": [
        {
            "id": 8123,
            "task": "nightly-import",
            "route": "POST /api/v1/jobs/status",
            "held_s": 184.2,
            "state": "idle_in_transaction",
            "query": "UPDATE jobs SET status = $1 WHERE id = $2",
            "suspected_leak": True,
        },
        {
            "id": 8124,
            "task": "nightly-import",
            "route": "POST /api/v1/jobs/status",
            "held_s": 171.9,
            "state": "idle",
            "query": "",
            "suspected_leak": True,
        },
        {
            "id": 8125,
            "task": "nightly-import",
            "route": "POST /api/v1/jobs/status",
            "held_s": 96.4,
            "state": "idle",
            "query": "",
            "suspected_leak": True,
        },
        {
            "id": 77,
            "task": "report",
            "route": "GET /scan/data-sources/12/history",
            "held_s": 41.6,
            "state": "query",
            "query": "SELECT bucket, avg(value) FROM samples WHERE source_id = $1 GROUP BY bucket",
            "suspected_leak": False,
        },
        {
            "id": 9001,
            "task": "",
            "route": "GET /api/v1/audit",
            "held_s": 2.3,
            "state": "query",
            "query": "SELECT * FROM audit WHERE at < $1",
            "suspected_leak": False,
        },
    ],
    "call_sites": [
        {"call_site": "jobs/updater.write_batch", "checkouts": 1204, "held_s_total": 311.0, "held_s_p95": 0.41},
        {"call_site": "sources/probing.run", "checkouts": 18402, "held_s_total": 96.2, "held_s_p95": 0.02},
    ],
}


def pool_json(checked_out: int) -> dict[str, Any]:
    return {
        "size": 20,
        "max_overflow": 10,
        "capacity": 30,
        "checked_out": checked_out,
        "idle": 0,
        "overflow": max(0, checked_out - 20),
        "waiting": 0,
        "oldest_wait_s": 0.0,
    }


def dry_run_json(leaks: int = 3, *, out: int = 25) -> dict[str, Any]:
    victims = [
        {
            "id": 8123 + n,
            "holder": "nightly-import",
            "age_s": 184.2 - 40 * n,
            "action": "terminate" if n == 0 else "reclaim",
            "reason": "idle",
        }
        for n in range(leaks)
    ]
    after = out - leaks
    return {
        "closed_idle": 0,
        "reclaimed": max(leaks - 1, 0),
        "terminated_backends": min(leaks, 1),
        "before": pool_json(out),
        "after": pool_json(after),
        "duration_ms": 2.1,
        "victims": victims,
        "left_alone": after,
        "usage_after_percent": round(100 * after / 30, 1),
        "level_after": "MODERATE" if leaks else "AGGRESSIVE",
    }


class DetailGuard:
    """The guard calls of a `DetailBackend`."""

    def __init__(self, backend: "DetailBackend") -> None:
        self._backend = backend

    def _note(self, name: str, principal: Principal, action: str) -> None:
        require(principal, action)
        self._backend.calls.append((name, principal.name))
        if self._backend.guard_failure is not None:
            raise self._backend.guard_failure

    async def connection_test(self, principal: Principal) -> dict[str, Any]:
        self._note("test", principal, "pool.test")
        return {"ok": True, "latency_ms": 1.9, "server_version": "18.6", "via": "pool"}

    async def holders(self, principal: Principal) -> dict[str, Any]:
        self._note("holders", principal, "pool.holders")
        return HOLDERS | {"items": HOLDERS["items"] if self._backend.leaks else HOLDERS["items"][3:]}

    async def performance(self, principal: Principal) -> Performance | None:
        self._note("performance", principal, "pool.performance")
        served = Efficiency(95, 3, 2, 0)
        return Performance(900.0, (RouteReading("GET /x", 100, 1, 1.0, 4.0, 20.0, 410.0),), served, served)

    async def clients(self, principal: Principal) -> Clients | None:
        self._note("clients", principal, "pool.clients")
        return Clients(42, False, 200, 0, (ClientReading("spillway-console", True, 42, "current", 1.0, 1.0, 12, 100),))

    async def sizing(self, principal: Principal) -> Sizing | None:
        self._note("sizing", principal, "pool.sizing")
        return Sizing(5000, 812.0, 0, True, 30, 50.0, 6, 0.0, (SizeReading(5, 0.0, 1.0, 90.0, 4.0), SizeReading(6, 0.0, 0.0, 0.0, 0.0)), "")

    async def history(self, principal: Principal, minutes: int = 15) -> dict[str, Any] | None:
        self._note("pool_history", principal, "pool.history")
        if not self._backend.offers_history:
            return None
        now = self._backend.console.clock.now()
        start = now - timedelta(seconds=900)
        used = [min(25, 12 + int(2 * math.sin(n / 9)) + max(0, (n - 150) // 12)) for n in range(300)]
        points = [
            [int((start + timedelta(seconds=3 * n)).timestamp() * 1000), round(100 * value / 30, 1), 0] for n, value in enumerate(used)
        ]
        marks = [
            {"at": (now - timedelta(seconds=171)).isoformat(), "kind": "level", "text": "Level NORMAL → MODERATE"},
            {"at": (now - timedelta(seconds=66)).isoformat(), "kind": "level", "text": "Level MODERATE → AGGRESSIVE"},
        ]
        return {"points": points, "marks": marks}

    async def cleanup(self, principal: Principal, *, dry_run: bool) -> dict[str, Any]:
        self._note("dry run" if dry_run else "cleanup", principal, "pool.cleanup")
        found = dry_run_json(self._backend.leaks)
        if dry_run:
            return found
        self._backend.leaks = 0
        self._backend.console.snapshot.pool = FakeReading(status_json(22, level="MODERATE"), self._backend.console.clock.monotonic())
        return {name: found[name] for name in ("closed_idle", "reclaimed", "terminated_backends", "before", "after")} | {
            "duration_ms": 12.4,
            "skipped": [],
        }

    async def service_status(self, principal: Principal, source_id: int) -> dict[str, Any]:
        self._note("service status", principal, "sources.read")
        return status_json(27 if self._backend.leaks else 24, level="EMERGENCY")

    async def service_holders(self, principal: Principal, source_id: int) -> dict[str, Any]:
        self._note("service holders", principal, "pool.holders")
        return HOLDERS | {"items": HOLDERS["items"] if self._backend.leaks else HOLDERS["items"][3:]}

    async def service_cleanup(self, principal: Principal, source_id: int, *, dry_run: bool) -> dict[str, Any]:
        self._note(f"service dry run {source_id}" if dry_run else f"service cleanup {source_id}", principal, "pool.cleanup")
        found = dry_run_json(self._backend.leaks)
        self._backend.leaks = self._backend.leaks if dry_run else 0
        return found


class DetailBackend(FakeBackend):
    """A backend whose guard answers; `guard_failure` makes each guard call fail."""

    def __init__(self, console: FakeConsole) -> None:
        super().__init__(console.snapshot)
        self.console = console
        self.guard_failure: SpillwayError | None = None
        self.leaks = 3
        self.offers_history = True
        self.history_failure: SpillwayError | None = None
        self.guard = DetailGuard(self)

    async def history(
        self, source_id: int, metric: str, since: Any, until: Any, points: int = 300, *, principal: Principal
    ) -> list[list[float | None]]:
        require(principal, "sources.read")
        if metric == "longest_query_s" and source_id == 8:
            raise BackendFailed("The server took too long.", cause="timeout")
        if source_id == 10:
            return []
        span = (until - since).total_seconds()
        step = span / 120
        rows: list[list[float | None]] = []
        for n in range(120):
            if 60 <= n < 72:
                continue
            at = since.timestamp() + step * n
            rows.append([int(at * 1000), round(3 + math.sin(n / 7) + (9 if n == 90 else 0), 2)])
        return rows

    async def timeline(self, source_id: int, since: Any, until: Any, buckets: int, *, principal: Principal) -> str | None:
        require(principal, "sources.read")
        if not self.offers_history:
            return None
        if self.history_failure is not None:
            raise self.history_failure
        return ("o" * 150 + "-" * 20 + "o" * 40 + "w" * 30 + "o" * 30 + "b" * 18)[:buckets]

    async def drill(self, principal: Principal, kind: str, body: Any) -> dict[str, Any]:
        require(principal, "drill.run")
        self.calls.append(("drill", (kind, dict(body))))
        return {"held": body.get("connections", 0)}


class FakeChain:
    """A chain that is whole unless `report` says otherwise; `failure` is raised instead."""

    def __init__(self) -> None:
        self.report = ChainReport(130, Head(130, b"\xab" * 32))
        self.failure: SpillwayError | None = None

    async def verify(self, expected: Head | None = None, *, newest: int | None = None) -> ChainReport:
        if self.failure is not None:
            raise self.failure
        return self.report


class FakeAudit:
    """A log of 130 acts; `failure` is raised by each read."""

    def __init__(self, console: FakeConsole) -> None:
        now = console.clock.now()
        self.failure: SpillwayError | None = None
        self.chain = FakeChain()
        self.rows = [
            AuditRow(
                uuid4(),
                now - timedelta(minutes=7 * n),
                "Ana Ruiz" if n % 3 else "console",
                "user",
                "pool.cleanup" if n % 4 == 0 else "sources.write",
                "pool" if n % 4 == 0 else "billing-primary",
                "ok" if n % 9 else "database_unavailable",
                f"01JD7M2Q{n:04d}",
                MappingProxyType({"changes": {"port": "5432 → 6432"}, "password": "••••"}),
                None if n == 0 else 1000 - n,
            )
            for n in range(130)
        ]

    async def page(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        since: Any = None,
        until: Any = None,
        limit: int = 100,
        before: int | None = None,
    ) -> list[AuditRow]:
        if self.failure is not None:
            raise self.failure
        found = [
            row
            for row in self.rows
            if (actor is None or row.actor == actor)
            and (action is None or row.action == action)
            and (since is None or row.at >= since)
            and (before is None or (row.id is not None and row.id < before))
        ]
        return found[:limit]


def detailed(**more: Any) -> FakeConsole:
    """The fake console with everything these pages ask for."""
    console = FakeConsole(**more)
    console.backend = DetailBackend(console)
    console.live.start = LoadedSettings(console.settings, {"port": "environment", "leak_threshold_s": ".env"})
    console.snapshot.sources_at = 0.0  # type: ignore[attr-defined]
    return console
