"""What the guard's measuring calls give."""

from datetime import datetime

from pydantic import Field

from dashboard_app.backend.api.values import Answer
from dashboard_app.backend.guard.clients import Follows
from dashboard_app.model.pool import Level


class RouteOut(Answer):
    """One route of the API, by its template; percentiles are right within 5 %."""

    route: str
    requests: int
    errors: int = Field(description="Answers with 5xx.")
    error_percent: float
    left: int = Field(description="Callers that left before the answer came.")
    p50_ms: float
    p95_ms: float
    p99_ms: float


class EfficiencyOut(Answer):
    """Checkouts by the way they were served; the shares are null while there was none."""

    checkouts: int
    idle: int = Field(description="Served at once from a connection that lay in the pool.")
    opened: int = Field(description="A connection had to be opened first.")
    waited: int = Field(description="None was free: it waited, in the pool or for admission.")
    gave_up: int = Field(description="Waits in the pool that ended without a connection; no checkouts.")
    idle_percent: float | None
    opened_percent: float | None
    waited_percent: float | None


class PoolEfficiencyOut(Answer):
    """The last 15 minutes, and all since the process began."""

    window: EfficiencyOut
    since_start: EfficiencyOut


class PerformanceOut(Answer):
    """Routes with answers in the window, the worst first: by the number of errors, then by p99."""

    window_s: int
    routes: list[RouteOut]
    pool: PoolEfficiencyOut
    measured_at: datetime


class ClientOut(Answer):
    """One client that names itself in `X-Throttle-Client`."""

    name: str
    is_signed_in: bool
    version: int | None = Field(description="The version of the config it acts on; null: it does not say.")
    follows: Follows
    config_age_s: float | None = Field(description="Seconds since it was last told this version; null: not by this process.")
    seen_s: float = Field(description="Seconds since its last request.")
    requests_last_minute: int = Field(description="Guard calls do not count.")
    allowed_per_minute: int
    is_over: bool
    requests_total: int


class ClientsOut(Answer):
    """Who follows the throttling-config; who does not first."""

    version: int
    throttling_level: Level
    is_binding: bool = Field(description="False at NORMAL: then `allowed_per_minute` binds nobody.")
    most: int = Field(description="So many names are kept; for a new one the silent longest goes.")
    dropped_total: int
    ignored_total: int = Field(description="Requests whose name was not well formed.")
    items: list[ClientOut]
    measured_at: datetime


class SampleOut(Answer):
    """The work that was played again: at most the last 5,000 checkouts of the last hour."""

    checkouts: int
    needed: int
    span_s: float
    most_at_once: int = Field(description="The most connections it would have had without any limit.")
    left_out: int = Field(description="Suspected leaks: more connections are no cure for them.")


class WaitsOut(Answer):
    """Percentiles of the wait for a connection."""

    wait_ms_p50: float
    wait_ms_p95: float
    wait_ms_p99: float


class SizeOut(WaitsOut):
    """What a pool of so many connections would have given."""

    connections: int
    waited_percent: float


class SizingOut(Answer):
    """The curve from 5 connections up to where nobody waits any more, at most 100; empty while there is too little to judge by."""

    sample: SampleOut
    is_judged: bool
    capacity: int
    limit_ms: float = Field(description="A pool is large enough when the 99th percentile of the wait is below this.")
    recommended: int | None = Field(description="The smallest that is enough; null: not even 100, or not judged.")
    measured: WaitsOut = Field(description="What the pool as it is gave to the same work.")
    curve: list[SizeOut]
    note: str
    measured_at: datetime
