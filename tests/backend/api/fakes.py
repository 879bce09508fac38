"""Small stand-ins for the services behind the API, and a client that speaks to it in process."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import create_async_engine

from dashboard_app.access.audit_chain import ChainReport
from dashboard_app.backend.api.app import build_api
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.guard.answers import config_json, holder_json
from dashboard_app.backend.guard.clients import Clients
from dashboard_app.backend.guard.demand import efficiency_json
from dashboard_app.backend.guard.performance import Performance
from dashboard_app.backend.guard.watched import Watched
from dashboard_app.backend.sources.poolers import Acted
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import Conflict, DatabaseUnavailable, NotFound, SpillwayError
from dashboard_app.model.health import Check, CheckStatus, Health, HealthStatus, Metrics
from dashboard_app.model.pool import Holder, HolderState, Level, PoolCounts, ThrottlingConfig
from dashboard_app.model.pooler import Pooler, PoolerAct, PoolerClient, PoolerDatabase, PoolerPool
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import Page, Source, SourceSettings, SourceView, TestReport, TestStep
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.settings import Settings
from dashboard_app.store.audit import Head
from tests.backend.alerts.fakes import Alerting

AT = datetime(2026, 1, 1, tzinfo=UTC)
ADMIN = Principal(PrincipalKind.USER, "ada", Role.ADMIN, 1)
VIEWER = Principal(PrincipalKind.USER, "vic", Role.VIEWER, 2)
COUNTS = PoolCounts(size=20, max_overflow=10, checked_out=13, idle=7, overflow=0)
POOL = {
    "size": 20,
    "max_overflow": 10,
    "capacity": 30,
    "checked_out": 13,
    "idle": 7,
    "overflow": 0,
    "waiting": 0,
    "oldest_wait_s": 0.0,
}


class FakeCleanup:
    def __init__(self, dry_run: bool) -> None:
        self.dry_run = dry_run

    def audit_json(self) -> dict[str, Any]:
        return {"closed_idle": 7, "reclaimed": 2, "terminated_backends": 1, "freed": 3, "victims": [{"action": "reclaim", "ids": [1]}]}

    def to_json(self) -> dict[str, Any]:
        report = {
            "closed_idle": 7,
            "reclaimed": 2,
            "terminated_backends": 1,
            "before": POOL,
            "after": POOL,
            "duration_ms": 12.4,
        }
        if self.dry_run:
            victim = {"id": 1, "holder": "job 7", "age_s": 70.0, "action": "reclaim", "reason": "runs nothing for 70 s"}
            report |= {"victims": [victim], "left_alone": [], "usage_after_percent": 36.7, "level_after": "NORMAL"}
        return report


class FakeInsight:
    def __init__(self) -> None:
        self.performance, self.clients = Performance(ManualClock().monotonic), Clients(ManualClock().monotonic)

    def watched(self, app: Any, **options: Any) -> Watched:
        return Watched(app, self.performance, self.clients, lambda: 42, **options)

    def performance_json(self) -> dict[str, Any]:
        served = efficiency_json({"idle": 3, "opened": 1, "waited": 0, "gave_up": 0})
        return {
            "window_s": 900,
            "routes": self.performance.rows(),
            "pool": {"window": served, "since_start": served},
            "measured_at": AT,
        }

    def clients_json(self) -> dict[str, Any]:
        told = {"version": 42, "throttling_level": "NORMAL", "is_binding": False, "most": 200, "dropped_total": 0, "ignored_total": 0}
        return told | {"items": self.clients.rows(42, 100), "measured_at": AT}

    async def sizing_json(self) -> dict[str, Any]:
        waits = {"wait_ms_p50": 0.0, "wait_ms_p95": 1.5, "wait_ms_p99": 12.0}
        return {
            "sample": {"checkouts": 300, "needed": 200, "span_s": 60.0, "most_at_once": 9, "left_out": 0},
            "is_judged": True,
            "capacity": 30,
            "limit_ms": 50.0,
            "recommended": 6,
            "measured": waits,
            "curve": [{"connections": 6, "waited_percent": 2.0, **waits}],
            "note": "6 of the pool's 30 connections would have been enough.",
            "measured_at": AT,
        }


class FakeGuard:
    def __init__(self) -> None:
        self.insight = FakeInsight()
        self.full = False
        self.labels: list[tuple[str, str]] = []
        self.version = 42
        self.cleanups: list[bool] = []
        self.tests = 0

    def counts(self) -> PoolCounts:
        return COUNTS

    def status(self, *, call_sites: bool = True) -> dict[str, Any]:
        return {
            "status": "healthy",
            "usage_percent": 43.3,
            "peak_usage_percent": 63.3,
            "pool": POOL,
            "admission": {"limit": 25, "in_flight": 13, "rejected_total": 0},
            "throttling_level": "NORMAL",
            "emergency_mode_active": False,
            "circuit_breaker": "closed",
            "reasons": ["13 of 30 connections in use, nobody waits", *(["held by app.py:1"] if call_sites else [])],
            "last_cleanup_at": None,
            "forecast": {"slope_percent_per_min": 0.4, "exhaustion_in_s": None},
            "measured_at": AT,
        }

    @property
    def etag(self) -> str:
        return f'W/"x-{self.version}"'

    def config_json(self, *, call_sites: bool = True) -> dict[str, Any]:
        reasons = ("fine", *(["held by app.py:1"] if call_sites else []))
        return config_json(ThrottlingConfig(Level.NORMAL, 10, 100, 100, False, False, None, 43.3, reasons, self.version, 30.0, AT))

    def hint(self) -> str:
        return f"level=NORMAL; max=10; rpm=100; delay=100; version={self.version}"

    def holders_json(self) -> dict[str, Any]:
        holder = Holder(1, "request r1", "GET /x", "app.py:1", 3.2, HolderState.IDLE, "", False, 4711)
        sites = [{"call_site": "app.py:1", "checkouts": 3, "held_s_total": 1.5, "held_s_p95": 0.7}]
        return {"items": [holder_json(holder)], "call_sites": sites, "leaks": self.leaks_json(), "server": None}

    def leaks_json(self) -> dict[str, Any]:
        leak = {"id": 7, "task": "t", "route": "", "call_site": "app.f:1", "stack": ["app.f:1"], "held_s": 61.0, "ended": "returned"}
        return {"found_total": 3, "returned_total": 1, "reclaimed_total": 0, "recent": [leak]}

    def history(self, minutes: int = 15) -> dict[str, Any]:
        return {"points": [[1, 43.3, minutes]], "marks": [{"at": "2026-01-01T00:00:00.000Z", "kind": "level", "text": "NORMAL"}]}

    @contextmanager
    def running(self, handle: Any, query: str) -> Iterator[None]:
        yield

    @asynccontextmanager
    async def admission(self) -> AsyncIterator[None]:
        if self.full:
            raise DatabaseUnavailable("Every connection is in use.", 0.5)
        yield

    @contextmanager
    def holding(self, *, task: str = "", route: str = "", exempt: str = "") -> Iterator[None]:
        self.labels.append((route, task))
        yield

    async def connection_test(self) -> dict[str, Any]:
        self.tests += 1
        return {"ok": True, "latency_ms": 1.9, "server_version": "18.6", "via": "pool"}

    async def cleanup(self, *, dry_run: bool) -> FakeCleanup:
        self.cleanups.append(dry_run)
        return FakeCleanup(dry_run)


class FakeSources:
    def __init__(self) -> None:
        self.all: dict[int, Source] = {}
        self.failure: Exception | None = None
        self.asked: list[dict[str, Any]] = []
        self.passwords: dict[int, Secret | None] = {}

    def add(self, name: str, **over: Any) -> Source:
        number = len(self.all) + 1
        fields = {
            "name": name,
            "kind": "postgresql",
            "host": "127.0.0.1",
            "port": 5432,
            "database": "d",
            "username": "u",
            "options": {},
            "environment": "",
            "tags": (),
            "enabled": True,
            **over,
        }
        self.all[number] = Source(id=number, created_at=AT, updated_at=AT, **fields)
        return self.all[number]

    async def list(self, **query: Any) -> Page:
        if self.failure:
            raise self.failure
        self.asked.append(query)
        return Page(tuple(SourceView(source, None, "oowbu") for source in self.all.values()), len(self.all))

    async def get(self, source_id: int) -> Source:
        if source_id not in self.all:
            raise NotFound("There is no such source.")
        return self.all[source_id]

    async def create(self, settings: SourceSettings) -> Source:
        if any(source.name == settings.name for source in self.all.values()):
            raise Conflict("This name is taken.")
        names = ("kind", "host", "port", "database", "username", "options", "environment", "tags", "enabled")
        source = self.add(settings.name, **{name: getattr(settings, name) for name in names})
        self.passwords[source.id] = settings.password
        return source

    async def update(self, source_id: int, changes: Any) -> Source:
        source = await self.get(source_id)
        given = dict(changes)
        if "password" in given:
            self.passwords[source_id] = given.pop("password")
        self.all[source_id] = replace(source, **given)
        return self.all[source_id]

    async def delete(self, source_id: int) -> None:
        del self.all[source_id]


class FakeService:
    """The guard of a watched service: what this API's own says."""

    def __init__(self, guard: FakeGuard) -> None:
        self.guard = guard

    async def guard_status(self) -> dict[str, Any]:
        return self.guard.status(call_sites=False)

    async def guard_holders(self) -> dict[str, Any]:
        return self.guard.holders_json()

    async def guard_cleanup(self, *, dry_run: bool) -> dict[str, Any]:
        self.guard.cleanups.append(dry_run)
        return FakeCleanup(dry_run).to_json()


class FakeProbing:
    def __init__(self, sources: FakeSources) -> None:
        self.sources = sources
        self.failure: Exception | None = None
        self.tried: list[tuple[SourceSettings, int | None]] = []

    async def health(self, source_id: int) -> Health:
        await self.sources.get(source_id)
        checks = (Check("connect", CheckStatus.PASS, 3.1, "ms"),)
        return Health(source_id, HealthStatus.HEALTHY, AT, 3.1, AT, None, checks)

    async def metrics(self, source_id: int) -> Metrics:
        await self.sources.get(source_id)
        if self.failure:
            raise self.failure
        return Metrics(source_id, AT, {"connections_used": 12.0}, {"connections_used": "connections"})

    async def healths(self, source_ids: Sequence[int]) -> list[Health]:
        return [await self.health(one) for one in source_ids if one in self.sources.all]

    async def stats(self, source_ids: Sequence[int]) -> list[Metrics]:
        return [await self.metrics(one) for one in source_ids if one in self.sources.all]

    async def test(self, settings: SourceSettings, *, source_id: int | None = None) -> TestReport:
        self.tried.append((settings, source_id))
        return TestReport(True, (TestStep("name", True, 0.1), TestStep("TCP", True, 0.2)))

    async def service(self, source_id: int) -> FakeService:
        source = await self.sources.get(source_id)
        if source.kind != "service":
            raise NotFound("It is no service.")
        if not source.enabled:
            raise Conflict("It is paused.")
        if self.failure:
            raise self.failure
        return FakeService(FakeGuard())


class FakePoolers:
    """Every source is a PgBouncer with one paused database."""

    def __init__(self, sources: FakeSources) -> None:
        self.sources = sources
        self.acts: list[tuple[int, PoolerAct, str | None, str | None]] = []

    async def picture(self, source_id: int) -> Pooler:
        await self.sources.get(source_id)
        pool = PoolerPool("orders", "app", "transaction", 3.0, 1.0, 2.0, 2.0, 0.0, 0.0, 0.25, 2.0)
        return Pooler("1.18.0", (pool,), (PoolerDatabase("orders", True, False, 2.0, None),), 4.0, 100.0, None)

    async def clients(self, source_id: int) -> list[PoolerClient]:
        await self.sources.get(source_id)
        return [PoolerClient("", "orders", "app", "waiting", "10.0.0.1:5000", "api", "2026-01-01 00:00:00 UTC", 0.25)]

    async def act(self, source_id: int, act: PoolerAct, *, database: str | None = None, client: str | None = None) -> Acted:
        self.acts.append((source_id, act, database, client))
        return Acted(act.value.upper(), 1.5, await self.picture(source_id))


class FakeHistory:
    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    async def points(self, *asked: Any) -> list[list[float]]:
        self.asked.append(asked)
        return [[1.0, 2.0]]

    async def timeline(self, *asked: Any) -> str:
        self.asked.append(asked)
        return "oo-b"


@dataclass
class AuditRow:
    id: int
    at: datetime
    actor: str
    actor_kind: str
    action: str
    target: str
    result: str
    request_id: str
    details: dict[str, Any]


@dataclass
class FakeAudit:
    rows: list[AuditRow] = field(default_factory=list)

    @property
    def chain(self):
        return self

    async def verify(self, expected=None, *, newest=None):
        return ChainReport(len(self.rows), Head(len(self.rows), bytes(32)) if self.rows else Head())

    async def record(
        self, principal: Principal, action: str, target: str, result: str = "ok", *, request_id: str = "", details=None
    ) -> None:
        row = AuditRow(
            len(self.rows) + 1, AT, principal.name, principal.kind.value, action, target, result, request_id, dict(details or {})
        )
        self.rows.append(row)

    @asynccontextmanager
    async def act(self, principal, action, target, *, request_id="", details=None):
        noted = {"target": target, **(details or {})}
        result = "failed"
        try:
            yield noted
            result = "ok"
        except SpillwayError as error:
            result = error.code
            raise
        finally:
            await self.record(principal, action, str(noted.pop("target")), result, request_id=request_id, details=noted)

    async def page(self, **query: Any) -> list[AuditRow]:
        known = [row for row in self.rows if query.get("before") is None or row.id < query["before"]]
        return known[::-1][: query["limit"]]


class World:
    """An API on fakes."""

    def __init__(self, **settings: Any) -> None:
        self.guard = FakeGuard()
        self.sources = FakeSources()
        self.probing = FakeProbing(self.sources)
        self.poolers = FakePoolers(self.sources)
        self.history = FakeHistory()
        self.audit = FakeAudit()
        self.clock = ManualClock()
        self.alerting = Alerting(self.clock)
        self.alerting.fill()
        self.reasons: list[str] = []
        self.ping_failure: Exception | None = None
        self.engine = create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none")
        self.deps = ApiDeps(
            settings=Settings.model_validate(settings),
            clock=self.clock,
            guard=self.guard,
            engine=self.engine,
            ping=self.ping,
            sources=self.sources,
            probing=self.probing,
            poolers=self.poolers,
            history=self.history,
            audit=self.audit,
            alerts=self.alerting.desk,
            readiness=lambda: self.reasons,
        )
        self.app = build_api(self.deps)

    def reset(self) -> None:
        """No sources, nothing asked, nothing recorded."""
        self.sources.all.clear()
        self.guard.cleanups.clear()
        self.audit.rows.clear()
        self.poolers.acts.clear()

    async def ping(self) -> float:
        if self.ping_failure:
            raise self.ping_failure
        return 0.4

    def client(self, principal: Principal | None = ADMIN) -> httpx.AsyncClient:
        return client_of(self.app, principal)


def client_of(app: Any, principal: Principal | None) -> httpx.AsyncClient:
    """A client whose requests carry `principal` in the scope, as the gate would put it there. An app that raises fails the test."""

    async def gate(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "spillway.principal": principal, "spillway.request_id": "r-1"}, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(app=gate), base_url="http://spillway.local")
