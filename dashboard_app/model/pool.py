"""The words of the guarded connection pool."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Level(StrEnum):
    """How hard clients must slow down."""

    NORMAL = "NORMAL"
    MODERATE = "MODERATE"
    AGGRESSIVE = "AGGRESSIVE"
    EMERGENCY = "EMERGENCY"


class PoolHealth(StrEnum):
    """The verdict on the pool; unavailable: the database cannot be reached."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    CRITICAL = "critical"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """The pool at one moment. `capacity` = size + max_overflow; `oldest_wait_s` 0 when nobody waits."""

    size: int
    max_overflow: int
    checked_out: int
    idle: int
    overflow: int
    waiting: int = 0
    oldest_wait_s: float = 0.0

    @property
    def capacity(self) -> int:
        """The most connections this pool ever opens."""
        return self.size + self.max_overflow

    @property
    def usage_percent(self) -> float:
        """checked_out / capacity, 0..100, one decimal."""
        return round(100.0 * self.checked_out / self.capacity, 1)


@dataclass(frozen=True, slots=True)
class ThrottlingConfig:
    """What a client may send. Bounds bind from MODERATE on; `version` grows with every change."""

    level: Level
    max_concurrent_requests: int
    max_requests_per_minute: int
    request_delay_ms: int
    circuit_breaker_open: bool
    emergency_mode_active: bool
    alert: str | None
    usage_percent: float
    reasons: tuple[str, ...]
    version: int
    ttl_s: float
    measured_at: datetime


class HolderState(StrEnum):
    """What a checked-out connection is doing."""

    QUERY = "query"
    IDLE_IN_TRANSACTION = "idle_in_transaction"
    IDLE = "idle"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds one connection. `query` is the statement text (no parameters), cut at 200 characters, or "".

    `stack`: of a suspected leak, the frames that led to the checkout as `module.function:line`, the innermost first.
    """

    id: int
    task: str
    route: str
    call_site: str
    held_s: float
    state: HolderState
    query: str
    suspected_leak: bool
    backend_pid: int | None = None
    stack: tuple[str, ...] = ()


class CleanupAction(StrEnum):
    """What a cleanup does to one connection."""

    CLOSE_IDLE = "close_idle"
    RECLAIM = "reclaim"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True)
class Victim:
    """One connection a cleanup would touch (dry run) or has touched, and why."""

    id: int
    holder: str
    age_s: float
    action: CleanupAction
    reason: str
