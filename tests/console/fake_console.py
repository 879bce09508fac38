"""A console without a server: the story of the mock, for page tests and screenshots. 14:13, pool 25 of 30, two sources down."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from dashboard_app.console.client.alerts import ListedAlert, RuleBook
from dashboard_app.console.client.notifications import ListedChannel, Tried
from dashboard_app.console.feed import Feed
from dashboard_app.console.tuning import Tuning
from dashboard_app.model.alert import AlertRule
from dashboard_app.model.breaker import BreakerLimits
from dashboard_app.model.clock import Clock, SystemClock
from dashboard_app.model.errors import BackendFailed, Conflict
from dashboard_app.model.health import Check, CheckStatus, Health, HealthStatus, Metrics
from dashboard_app.model.pool import Level, ThrottlingConfig
from dashboard_app.model.source import Source, SourceKind, SourceSettings
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.policy.permission import require
from dashboard_app.runtime.breakers import Breakers
from dashboard_app.runtime.live_settings import LiveSettings
from dashboard_app.settings import LoadedSettings, Settings

ANA = Principal(PrincipalKind.USER, "Ana Ruiz", Role.ADMIN, 1, "s1", datetime(2026, 1, 1, tzinfo=UTC))  # just now, to a ManualClock
VIC = Principal(PrincipalKind.USER, "Vic Lee", Role.VIEWER, 2, "s2")


@dataclass(frozen=True, slots=True)
class FakeReading:
    value: Any
    received_mono: float

    def age_s(self, now: float) -> float:
        return max(now - self.received_mono, 0.0)


@dataclass(slots=True, eq=False)
class FakeSnapshot:
    version: int = 1
    sources: dict[int, Source] = field(default_factory=dict)
    health: dict[int, FakeReading] = field(default_factory=dict)
    metrics: dict[int, FakeReading] = field(default_factory=dict)
    recent: dict[int, str] = field(default_factory=dict)
    pool: FakeReading | None = None
    throttling: FakeReading | None = None
    alerts: FakeReading | None = None
    are_alerts_offered: bool = True
    sources_at: float | None = 1000.0

    @property
    def list_version(self) -> int:
        return self.version

    def touch(self) -> None:
        self.version += 1

    def set_health(self, health: Health) -> None:
        self.health[health.data_source_id] = FakeReading(health, time.monotonic())
        self.touch()


@dataclass(frozen=True, slots=True)
class FakeFallback:
    since: datetime
    cause: str = "http"
    status_code: int | None = 503
    problem_code: str = "database_unavailable"
    next_try_s: float | None = 12.0
    trying: bool = False


class FakeLoader:
    def __init__(self, total: int) -> None:
        self.total = total
        self.refreshed = 0
        self.reason = "Slowed by AGGRESSIVE: 3 at once, 1 s apart"
        self.in_flight = (2, 1)
        self.done = (14, 6)

    def progress(self) -> Any:
        lanes = {
            name: SimpleNamespace(done=min(done, self.total), total=self.total, in_flight=flying, reason=reason)
            for name, done, flying, reason in zip(
                ("health", "metrics"), self.done, self.in_flight, (self.reason, "Shares these 3 places with health"), strict=True
            )
        }
        now = datetime.now(UTC)
        last = SimpleNamespace(
            started_at=now - timedelta(seconds=164), ended_at=now.replace(microsecond=0, second=0), duration_s=42.0, failed=2
        )
        return SimpleNamespace(lanes=lanes, pace="batched", last_round=last if self.total else None)

    def refresh(self) -> bool:
        self.refreshed += 1
        return False

    def next_check_s(self, source_id: int) -> float | None:
        return 116.0 - source_id


class FakeBackend:
    def __init__(self, snapshot: FakeSnapshot) -> None:
        self.snapshot = snapshot
        self.calls: list[tuple[str, Any]] = []
        self.failure: Exception | None = None
        self.alerts = FakeAlertCalls(self)
        self.notifications = FakeNotificationCalls(self)

    def _note(self, name: str, what: Any) -> None:
        self.calls.append((name, what))
        if self.failure:
            raise self.failure

    async def create_source(self, principal: Principal, settings: SourceSettings) -> Source:
        self._note("create", settings)
        if any(one.name == settings.name for one in self.snapshot.sources.values()):
            raise Conflict("the name is taken")
        return source(
            max(self.snapshot.sources, default=0) + 1, settings.name, settings.kind, settings.host, settings.port, settings.database
        )

    async def update_source(self, principal: Principal, source_id: int, changes: Mapping[str, object]) -> Source:
        self._note("update", (source_id, dict(changes)))
        known = {name: value for name, value in changes.items() if name != "password"}
        return replace(self.snapshot.sources[source_id], **known)  # type: ignore[arg-type]

    async def delete_source(self, principal: Principal, source_id: int) -> None:
        self._note("delete", source_id)

    async def test_source(self, principal: Principal, settings: SourceSettings) -> dict[str, Any]:
        self._note("test", settings)
        steps = [
            {"name": "name", "ok": True, "ms": 0.4, "message": ""},
            {"name": "TCP", "ok": True, "ms": 1.2, "message": ""},
            {"name": "sign in", "ok": False, "ms": 8.1, "message": f"Password rejected for user {settings.username}"},
        ]
        return {"ok": False, "steps": steps}

    async def health(self, source_id: int, *, principal: Principal | None = None) -> Health:
        self._note("health", source_id)
        found: Health = self.snapshot.health[source_id].value
        return found


class FakeAlertCalls:
    """What fires, in the snapshot; what was asked, in `calls`."""

    def __init__(self, backend: FakeBackend) -> None:
        self.backend = backend
        self.past: tuple[ListedAlert, ...] = ()
        self.book = RuleBook((), ())
        self.answer: dict[str, Any] = {"fired": 3, "sources": 24, "by_source": [{"source": "orders", "fired": 3}]}

    def _changed(self, name: str, principal: Principal, alert_id: int, **fields: Any) -> ListedAlert:
        require(principal, "alerts.act")
        self.backend._note(name, alert_id)
        listed = self.backend.snapshot.alerts.value
        return next(replace(one, alert=replace(one.alert, **fields)) for one in listed if one.alert.id == alert_id)

    async def acknowledge(self, principal: Principal, alert_id: int) -> ListedAlert:
        return self._changed("acknowledge", principal, alert_id, acknowledged_by=principal.name)

    async def unacknowledge(self, principal: Principal, alert_id: int) -> ListedAlert:
        return self._changed("unacknowledge", principal, alert_id, acknowledged_by=None)

    async def silence(self, principal: Principal, alert_id: int, until: datetime, reason: str) -> ListedAlert:
        return self._changed("silence", principal, alert_id, silenced_until=until, silence_reason=reason, silenced_by=principal.name)

    async def unsilence(self, principal: Principal, alert_id: int) -> ListedAlert:
        return self._changed("unsilence", principal, alert_id, silenced_until=None)

    async def resolved(self, principal: Principal, limit: int, before: int = 0) -> tuple[ListedAlert, ...]:
        self.backend._note("resolved", (limit, before))
        return self.past[:limit]

    async def rules(self, principal: Principal) -> RuleBook:
        self.backend._note("rules", None)
        return self.book

    async def save_rule(self, principal: Principal, rule_id: int, fields: Mapping[str, object]) -> AlertRule:
        require(principal, "alert_rules.write")
        self.backend._note("save rule", (rule_id, dict(fields)))
        return self.book.rules[0]

    async def delete_rule(self, principal: Principal, rule_id: int) -> None:
        require(principal, "alert_rules.write")
        self.backend._note("delete rule", rule_id)

    async def preview(self, principal: Principal, fields: Mapping[str, object]) -> dict[str, Any]:
        require(principal, "alert_rules.write")
        self.backend._note("preview", dict(fields))
        return self.answer


class FakeNotificationCalls:
    """The channels in `found`; what was asked, in `calls`."""

    def __init__(self, backend: FakeBackend) -> None:
        self.backend = backend
        self.found: tuple[ListedChannel, ...] | None = ()
        self.tried = Tried(0.4, "")

    async def channels(self, principal: Principal) -> tuple[ListedChannel, ...] | None:
        require(principal, "notifications.read")
        self.backend._note("channels", None)
        return self.found

    async def save(self, principal: Principal, channel_id: int, fields: Mapping[str, object]) -> ListedChannel:
        require(principal, "notifications.write")
        self.backend._note("save channel", (channel_id, dict(fields)))
        return (self.found or ())[0]

    async def delete(self, principal: Principal, channel_id: int) -> None:
        require(principal, "notifications.write")
        self.backend._note("delete channel", channel_id)

    async def test(self, principal: Principal, channel_id: int) -> Tried:
        require(principal, "notifications.write")
        self.backend._note("test channel", channel_id)
        return self.tried


class FakeAlertPoll:
    def __init__(self, snapshot: FakeSnapshot) -> None:
        self.snapshot, self.looks = snapshot, 0

    def news(self) -> None:
        self.looks += 1

    def keep(self, changed: ListedAlert) -> None:
        reading = self.snapshot.alerts
        listed = tuple(changed if one.alert.id == changed.alert.id else one for one in reading.value)
        self.snapshot.alerts = FakeReading(listed, reading.received_mono)
        self.news()


class FakeViewers:
    def __init__(self) -> None:
        self.watched: dict[str, tuple[str, dict[str, Any]]] = {}
        self.shown: list[tuple[str, bool]] = []

    def show(self, client_token: str, *, is_shown: bool) -> None:
        self.shown.append((client_token, is_shown))

    def watch(
        self, client_token: str, page: str, params: Mapping[str, Any] | None = None, *, visible: Iterable[int] = (), session: str = ""
    ) -> None:
        self.watched[client_token] = (page, dict(params or {}))

    def leave(self, client_token: str) -> None:
        self.watched.pop(client_token, None)


class FakeIdentity:
    def __init__(self, principal: Principal | None = ANA) -> None:
        self.principal = principal

    async def principal_for_cookie(self, cookie_header: str, *, guard_call: bool = False, is_use: bool = True) -> Principal | None:
        return VIC if "as=viewer" in cookie_header else self.principal


class FakeBook:
    """Keeps overrides and audit rows in memory; `failure` is raised in place of a save."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}
        self.statements = 0
        self.records: list[tuple[str, str, str, Any]] = []
        self.failure: Exception | None = None

    async def load(self) -> list[Any]:
        return list(self.rows.values())

    async def change(self, values: Mapping[str, object], resets: Iterable[str], *, by: str, at: datetime) -> None:
        if self.failure:
            raise self.failure
        self.statements += 1
        for name in resets:
            self.rows.pop(name, None)
        self.rows |= {name: SimpleNamespace(name=name, value=value, changed_by=by, changed_at=at) for name, value in values.items()}

    async def record(
        self, principal: Principal, action: str, target: str, result: str = "ok", *, request_id: str = "", details: Any = None
    ) -> None:
        self.records.append((principal.name, action, target, details))


class FakeJobs:
    """Says how the updates stand; `failure` is raised in place of an answer."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.monotonic = monotonic
        self.failure: Exception | None = None
        self.last: tuple[float, dict[str, Any]] | None = None

    async def stats(self, principal: Principal) -> dict[str, Any]:
        if self.failure:
            raise self.failure
        self.last = self.monotonic(), {"queued": 16, "dead_letter_total": 2, "accepted_total": 41_210, "written_total": 41_180}
        return self.last[1]


class FakeConsole:
    def __init__(self, clock: Clock | None = None, settings: Settings | None = None, *, empty: bool = False) -> None:
        self.clock = clock or SystemClock()
        self.live = LiveSettings(LoadedSettings(settings or Settings(environment="production", demo=True), {}))
        self.book = FakeBook()
        self.tuning = Tuning(self.live, self.book, self.book, self.clock)
        self.snapshot = FakeSnapshot() if empty else story(self.clock)
        self.loader = FakeLoader(len(self.snapshot.sources))
        self.breakers = Breakers(BreakerLimits(), self.clock)
        self.backend = FakeBackend(self.snapshot)
        self.viewers = FakeViewers()
        self.alert_poll = FakeAlertPoll(self.snapshot)
        self.jobs: Any = FakeJobs(self.clock.monotonic)
        self.jobs_news = 0
        self.events: Any = None
        self.feed = Feed(None, self.breakers["websocket"], self.clock)
        self.down: FakeFallback | None = None
        self.acts = 0

    @property
    def settings(self) -> Settings:
        return self.live.values

    @settings.setter
    def settings(self, values: Settings) -> None:
        self.live.values = values

    @property
    def origins(self) -> Mapping[str, str]:
        return self.live.start.origins

    def fallback(self) -> FakeFallback | None:
        return self.down

    def acted(self) -> None:
        self.acts += 1

    async def try_now(self, principal: Principal) -> None:
        self.breakers["api"].try_now()

    def fail(self) -> None:
        """Take the server away: five failures open the breaker."""
        for _ in range(5):
            self.breakers["api"].failed(self.breakers["api"].ask(), BackendFailed("no answer", cause="http", status=503))
        self.loader.reason, self.loader.in_flight = "Paused: the breaker is open", (0, 0)
        self.down = FakeFallback(self.clock.now() - timedelta(seconds=94))
        for readings in (self.snapshot.health, self.snapshot.metrics):
            for key, reading in readings.items():
                readings[key] = FakeReading(reading.value, reading.received_mono - 94)
        if self.snapshot.throttling and self.snapshot.pool:
            self.snapshot.throttling = FakeReading(self.snapshot.throttling.value, self.snapshot.throttling.received_mono - 94)
            self.snapshot.pool = FakeReading(self.snapshot.pool.value, self.snapshot.pool.received_mono - 94)
        self.snapshot.version += 1


def source(source_id: int, name: str, kind: SourceKind, host: str, port: int, database: str, **more: Any) -> Source:  # noqa: PLR0917 - a table's columns
    at = datetime(2026, 11, 1, tzinfo=UTC)
    facts: dict[str, Any] = {"username": "spillway", "options": {}, "environment": "prod", "tags": ("shop",), "enabled": True} | more
    return Source(id=source_id, name=name, kind=kind, host=host, port=port, database=database, created_at=at, updated_at=at, **facts)


def status_json(checked_out: int = 25, capacity: int = 30, level: str = "AGGRESSIVE") -> dict[str, Any]:
    percent = round(100 * checked_out / capacity, 1)
    return {
        "status": "critical" if percent >= 90 else "degraded" if percent >= 70 else "healthy",
        "usage_percent": percent,
        "peak_usage_percent": 86.7,
        "pool": {
            "size": 20,
            "max_overflow": 10,
            "capacity": capacity,
            "checked_out": checked_out,
            "idle": 0,
            "overflow": 5,
            "waiting": 0,
            "oldest_wait_s": 0.0,
        },
        "admission": {"limit": 25, "in_flight": 22, "rejected_total": 0},
        "throttling_level": level,
        "emergency_mode_active": level == "EMERGENCY",
        "circuit_breaker": "open" if level == "EMERGENCY" else "closed",
        "reasons": [f"{checked_out} of {capacity} connections in use, nobody waits"],
        "last_cleanup_at": None,
        "forecast": {"slope_percent_per_min": 4.7, "exhaustion_in_s": 210.0},
        "measured_at": "2026-11-22T14:13:10Z",
    }


_QUIET = "o" * 30
_ROWS: tuple[tuple[str, str, int, str, str, str, float | None, tuple[int, int] | None, dict[str, float]], ...] = (
    ("billing-primary", "10.20.4.11", 5432, "billing", "b", "o" * 24 + "b" * 6, None, None, {}),
    ("legacy-crm", "10.20.9.7", 5432, "crm", "b", "o" * 12 + "bbobbo" + "b" * 12, None, None, {}),
    ("orders-pooler", "10.20.1.5", 6432, "orders", "w", "o" * 20 + "wooo" + "w" * 6, 4.8, (86, 100), {}),
    ("orders-replica-2", "10.20.1.13", 5432, "orders", "w", "o" * 18 + "w" * 12, 3.9, (31, 100), {"replication_lag_s": 48}),
    ("session-cache", "10.20.6.2", 6379, "0", "w", "oowooowoooowooowwoowwoowwwwwww", 0.9, (212, 1000), {}),
    ("metrics-ingest", "10.20.7.4", 8080, "", "u", "o" * 26 + "u" * 4, None, None, {}),
    (
        "orders-primary",
        "10.20.1.11",
        5432,
        "orders",
        "o",
        _QUIET,
        3.1,
        (62, 200),
        {"transactions_per_s": 1204, "cache_hit_percent": 99.6, "longest_query_s": 0.8},
    ),
    ("orders-replica-1", "10.20.1.12", 5432, "orders", "o", _QUIET, 3.4, (28, 100), {"replication_lag_s": 0.2, "transactions_per_s": 640}),
    ("catalog-primary", "10.20.2.11", 5432, "catalog", "o", _QUIET, 2.7, (41, 200), {"transactions_per_s": 318, "cache_hit_percent": 99.9}),
    (
        "identity",
        "10.20.3.11",
        5432,
        "identity",
        "o",
        "o" * 14 + "w" + "o" * 15,
        2.2,
        (18, 100),
        {"transactions_per_s": 92, "longest_query_s": 0.1},
    ),
    ("billing-replica", "10.20.4.12", 5432, "billing", "o", _QUIET, 2.9, (9, 100), {"replication_lag_s": 0.4, "transactions_per_s": 21}),
    ("catalog-pooler", "10.20.2.5", 6432, "catalog", "o", _QUIET, 1.4, (37, 100), {}),
    ("search-api", "search.internal", 443, "", "o", "o" * 22 + "w" + "o" * 7, 11.6, None, {}),
    ("warehouse", "10.20.8.11", 5432, "warehouse", "o", _QUIET, 18.4, (7, 50), {"transactions_per_s": 4, "longest_query_s": 38}),
    ("jobs-api", "10.20.7.2", 8000, "", "o", _QUIET, 5.0, (12, 30), {}),
    *(
        (f"tenant-{n:02d}", f"10.20.11.{n}", 5432, f"tenant_{n:02d}", "o", _QUIET, 2.0 + n / 10, (n, 100), {"transactions_per_s": 3.0 * n})
        for n in range(10, 19)
    ),
)
_KINDS = {
    "orders-pooler": SourceKind.PGBOUNCER,
    "catalog-pooler": SourceKind.PGBOUNCER,
    "session-cache": SourceKind.REDIS,
    "metrics-ingest": SourceKind.SERVICE,
    "jobs-api": SourceKind.SERVICE,
    "search-api": SourceKind.HTTP,
    "legacy-crm": SourceKind.MYSQL,
}
_WHY = {
    "billing-primary": ("connect", "Connection refused", "refuses connections"),
    "legacy-crm": ("connect", "No answer within 2 s at step 3 of 5 (TLS)", "is silent"),
    "orders-pooler": ("waiting", "14 clients wait, the oldest for 6.2 s", "warns from 5 s"),
    "orders-replica-2": ("replication_lag", "Replay lag 48 s", "warns from 10 s"),
    "session-cache": ("memory", "Memory 91 % of 4.0 GiB", "warns from 90 %"),
    "metrics-ingest": ("breaker", "Not asked: its breaker is open, next trial in 11 s", ""),
}
_STATUS = {"o": HealthStatus.HEALTHY, "w": HealthStatus.DEGRADED, "b": HealthStatus.UNHEALTHY, "u": HealthStatus.UNKNOWN}


def story(clock: Clock) -> FakeSnapshot:
    """24 sources, two of them down, and a pool that fills."""
    snapshot, now, wall = FakeSnapshot(), clock.monotonic(), clock.now()
    for number, (name, host, port, database, letter, recent, latency, used, extra) in enumerate(_ROWS, start=1):
        snapshot.sources[number] = source(number, name, _KINDS.get(name, SourceKind.POSTGRESQL), host, port, database)
        snapshot.recent[number] = recent
        age = 481.0 if letter == "u" else 2.0 + number
        checks: tuple[Check, ...] = ()
        message = None
        if name in _WHY:
            check, message, limit = _WHY[name]
            verdict = CheckStatus.FAIL if letter == "b" else CheckStatus.WARN
            checks = (Check(check, verdict, None, "", limit if letter == "w" else "", message),)
        health = Health(
            number, _STATUS[letter], wall - timedelta(minutes=11 + number), latency, wall - timedelta(seconds=age), message, checks
        )
        snapshot.health[number] = FakeReading(health, now - age)
        figures = dict(extra)
        if used:
            figures |= {"connections_used": used[0], "connections_max": used[1]}
        if figures:
            units = {"transactions_per_s": "tx/s", "cache_hit_percent": "%", "longest_query_s": "s", "replication_lag_s": "s"}
            snapshot.metrics[number] = FakeReading(Metrics(number, wall, figures, units), now - age)
    snapshot.pool = FakeReading(status_json(), now - 0.4)
    config = ThrottlingConfig(
        Level.AGGRESSIVE, 3, 30, 1000, False, False, "warning", 83.3, ("25 of 30 connections in use",), 42, 30.0, wall
    )
    snapshot.throttling = FakeReading(config, now - 1.0)
    return snapshot
