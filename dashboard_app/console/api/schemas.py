"""The shapes of the console's own answers, for OpenAPI; `present` makes them."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StrictStr


def _said(value: str) -> str:
    """`value` without blanks at its ends, when something is left and nothing in it would forge a line of the log."""
    said = value.strip()
    if not said or any(ord(character) < ord(" ") or character == "\x7f" for character in said):
        raise ValueError("must say something, without control characters")
    return said


class LaneAnswer(BaseModel):
    """One lane: sources done in the round under way, or in the last one."""

    done: int
    total: int
    in_flight: int
    slow: int = Field(description="Sources in the slow lane; they count as done.")
    reason: str = Field(description="Why the lane is slow or stands still; empty when it does not.")


class RoundAnswer(BaseModel):
    """The last round that has ended."""

    started_at: str
    ended_at: str
    duration_s: float
    failed: int


class LoaderAnswer(BaseModel):
    """The loader."""

    lanes: dict[str, LaneAnswer]
    pace: Literal["batched", "adaptive"]
    last_round: RoundAnswer | None


class RefreshAnswer(BaseModel):
    """Whether a round was under way in both lanes and was joined."""

    joined: bool


class BreakerAnswer(BaseModel):
    """One circuit breaker."""

    name: str
    about: str = Field(description="The name of the watched service that it guards; empty for the console's own.")
    state: Literal["closed", "open", "half_open", "forced_open", "disabled", "metrics_only"]
    failure_count: int
    failure_rate: float
    opened_at: str | None
    retry_at: str | None
    calls: dict[str, int] = Field(description="Since the start, by outcome.")
    recent_calls: dict[str, int] = Field(description="Of the last 15 minutes, by outcome.")
    would_open_count: int = Field(description="How often it would have opened since it only watches.")
    by: str | None = Field(description="Who holds it in its state; null when nobody does.")
    reason: str | None
    until: str | None = Field(description="When it closes by itself; null: when somebody closes it.")


class BreakersAnswer(BaseModel):
    """Every breaker."""

    items: list[BreakerAnswer]


class TransitionAnswer(BaseModel):
    """One move of a breaker."""

    at: str
    source: str = Field(alias="from")
    target: str = Field(alias="to")
    cause: str
    by: str
    reason: str
    until: str | None


class BreakerDetailAnswer(BreakerAnswer):
    """One breaker with its last 100 moves and last 60 outcomes, oldest first."""

    transitions: list[TransitionAnswer]
    outcomes: list[str]


class BreakerStateIn(BaseModel):
    """A state that a person wants a breaker in, and why. `until`: it closes by itself then."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    state: Literal["forced_open", "closed", "disabled", "metrics_only"]
    reason: Annotated[StrictStr, Field(min_length=1, max_length=500), AfterValidator(_said)]
    until: AwareDatetime | None = None


class QueueAnswer(BaseModel):
    """The request queue."""

    running: int
    waiting: int
    waiting_by_priority: dict[str, int]
    started_total: int
    timed_out_total: int
    rejected_total: int = Field(description="Found the queue full, those that were shed for somebody more urgent among them.")
    wait_ms_p95: float = Field(description="Over the last 200 starts.")
    shed_total: int
    cancelled_total: int = Field(description="Left before their turn.")


class SettingAnswer(BaseModel):
    """One setting; secrets are masked. `origin`: default, demo, .env, environment, or changed while running."""

    name: str
    value: Any
    origin: str
    default: Any
    allowed: dict[str, Any]
    description: str
    built: bool
    live: bool = Field(description="It can change while running; every other one needs a restart.")
    changed_by: str | None = Field(description="Who set the value in place of the start's; null: nobody.")
    changed_at: str | None


class SettingsAnswer(BaseModel):
    """Every setting. `version` grows with each change."""

    version: int
    items: list[SettingAnswer]


class DashboardFallback(BaseModel):
    """Last known values are shown, since when and why (a word: refused, timeout, http, unauthorized, unavailable, forced)."""

    since: str
    cause: str


class DashboardSource(BaseModel):
    """One source that needs a person."""

    id: int
    name: str
    status: str
    why: str


class DashboardSources(BaseModel):
    """The sources in numbers, and the worst of them."""

    total: int
    paused: int
    by_status: dict[Literal["healthy", "degraded", "unhealthy", "unknown"], int]
    worst: list[DashboardSource]


class DashboardPool(BaseModel):
    """The pool as its status answer said it last."""

    status: str
    usage_percent: float
    pool: dict[str, Any]
    throttling_level: str
    reasons: list[str] = []
    measured_at: str | None = None


class DashboardBreaker(BaseModel):
    """One circuit breaker."""

    name: str
    state: str
    retry_at: str | None


class DashboardJobs(BaseModel):
    """The jobs' updates in numbers, as they were `age_s` ago."""

    queued: int
    dead_letter_total: int
    accepted_total: int
    written_total: int
    age_s: float


class DashboardAlerts(BaseModel):
    """How many problems fire that nobody has silenced."""

    open: int


class DashboardAnswer(BaseModel):
    """One snapshot. `age_s`: the age of the older of the list of sources and the pool's status; null before the first answers."""

    measured_at: str
    age_s: float | None
    fallback: DashboardFallback | None
    sources: DashboardSources
    pool: DashboardPool | None
    breakers: list[DashboardBreaker]
    jobs: DashboardJobs | None = Field(description="Null until the server has said it once.")
    alerts: DashboardAlerts | None = Field(description="Null while the server does not say it.")
