"""What the guard's calls take and give."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from dashboard_app.backend.api.values import Answer, Body, Parameters, Truth
from dashboard_app.model.pool import CleanupAction, HolderState, Level, PoolHealth


class PoolOut(Answer):
    """The pool's counts."""

    size: int
    max_overflow: int
    capacity: int
    checked_out: int
    idle: int
    overflow: int
    waiting: int
    oldest_wait_s: float


class AdmissionOut(Answer):
    """Work admitted at once."""

    limit: int
    in_flight: int
    rejected_total: int


class ForecastOut(Answer):
    """Where usage is going; `exhaustion_in_s` null: not towards full."""

    slope_percent_per_min: float | None
    exhaustion_in_s: float | None


class StatusOut(Answer):
    """The pool's status."""

    status: PoolHealth
    usage_percent: float
    peak_usage_percent: float
    pool: PoolOut
    admission: AdmissionOut
    throttling_level: Level
    emergency_mode_active: bool
    circuit_breaker: Literal["closed", "open"]
    reasons: list[str]
    last_cleanup_at: datetime | None
    forecast: ForecastOut
    measured_at: datetime


class ThrottlingOut(Answer):
    """What a client may send."""

    throttling_level: Level
    max_concurrent_requests: int
    max_requests_per_minute: int
    request_delay_ms: int
    circuit_breaker_open: bool
    emergency_mode_active: bool
    alert: Literal["info", "warning", "critical"] | None
    usage_percent: float
    reasons: list[str]
    version: int
    ttl_s: float
    measured_at: datetime


class ConnectionTestOut(Answer):
    """One checkout from the guarded pool; `error` says why it failed."""

    ok: bool
    latency_ms: float | None = None
    server_version: str | None = None
    via: Literal["pool"] = "pool"
    error: str | None = None


class HolderOut(Answer):
    """Who holds one connection."""

    id: int
    task: str
    route: str
    call_site: str
    held_s: float
    state: HolderState
    query: str
    suspected_leak: bool
    backend_pid: int | None
    stack: list[str] = Field(description="Of a suspected leak: `module.function:line`, the innermost first. Else empty.")


class CallSiteOut(Answer):
    """Code that checks connections out."""

    call_site: str
    checkouts: int
    held_s_total: float
    held_s_p95: float | None


class LeakOut(Answer):
    """One checkout that was held for too long and ran nothing; `ended` null: it is out still."""

    id: int
    task: str
    route: str
    call_site: str
    stack: list[str]
    held_s: float
    ended: Literal["returned", "reclaimed"] | None


class LeaksOut(Answer):
    """Suspected leaks since the start, how they ended, and the last 20 of them, newest first."""

    found_total: int
    returned_total: int
    reclaimed_total: int
    recent: list[LeakOut]


class ServerOut(Answer):
    """The server as it sees itself, read every POOL_MONITOR_INTERVAL_S. `may_ask`: what the pools of all instances, and others now, come to."""

    max_connections: int
    reserved: int
    sessions: int
    own_sessions: int
    own_states: dict[str, int]
    other_sessions: int
    instances: int
    may_ask: int


class HoldersOut(Answer):
    """Who holds connections, oldest first, which code checks them out, and what was suspected as a leak."""

    items: list[HolderOut]
    call_sites: list[CallSiteOut]
    leaks: LeaksOut
    server: ServerOut | None


class PoolHistoryQuery(Parameters):
    """How far back."""

    minutes: int = Field(default=60, ge=1, le=60)


class MarkOut(Answer):
    """Something that happened: a change of level, a cleanup."""

    at: datetime
    kind: str
    text: str


class PoolHistoryOut(Answer):
    """Oldest first: `[epoch_ms, usage_percent, waiting]`, each point the highest of its stretch."""

    points: list[tuple[float, float, int]]
    marks: list[MarkOut]


class SkippedOut(Answer):
    """A connection that was left alone after all, and why."""

    id: int
    reason: str


class CleanupIn(Body):
    """Whether only to report."""

    dry_run: Truth = False


class VictimOut(Answer):
    """One connection that would be touched."""

    id: int
    holder: str
    age_s: float
    action: CleanupAction
    reason: str


class CleanupOut(Answer):
    """What a cleanup did, or (dry run) would do."""

    closed_idle: int
    reclaimed: int
    terminated_backends: int
    before: PoolOut
    after: PoolOut
    duration_ms: float
    victims: list[VictimOut] | None = Field(default=None, description="Dry run only.")
    left_alone: int | None = Field(default=None, description="Dry run only: checkouts that nothing is wrong with.")
    skipped: list[SkippedOut] | None = Field(default=None, description="Not in a dry run: what was left alone after all, and why.")
    usage_after_percent: float | None = Field(default=None, description="Dry run only.")
    level_after: Level | None = Field(default=None, description="Dry run only.")
    note: str | None = Field(default=None, description="Only behind a connection pooler: that no session of the server is ended.")
