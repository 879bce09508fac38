"""The words of a circuit breaker."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class BreakerState(StrEnum):
    """Where a breaker stands. The last three are set by a person."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    DISABLED = "disabled"
    METRICS_ONLY = "metrics_only"


HELD_STATES = frozenset({BreakerState.FORCED_OPEN, BreakerState.DISABLED, BreakerState.METRICS_ONLY})
"""States that only a person sets, and that last until a person or their `until` ends them."""


class Cause(StrEnum):
    """Why a breaker moved."""

    THRESHOLD = "threshold"
    FAILURE_RATE = "failure_rate"
    SLOW_RATE = "slow_rate"
    WAITED = "waited"
    TRIAL = "trial"
    TRIALS_TOO_LONG = "trials_too_long"
    RECOVERED = "recovered"
    PERSON = "person"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The sliding window: opens by rates among the last calls. `size` counts calls, or seconds when `by_time`."""

    size: float = 100.0
    by_time: bool = False
    min_calls: int = 20
    """Fewer calls than this in the window say nothing."""
    failure_percent: float = 50.0
    """Opens when at least this many percent failed; above 100: never."""
    slow_percent: float = 100.0
    """Opens when at least this many percent were slow; above 100: never."""


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a breaker opens and how it comes back. All at least 1 (calls) or 0.01 s."""

    failure_threshold: int = 5
    """Consecutive failures that open it."""
    recovery_s: float = 30.0
    """Wait before a trial."""
    half_open_calls: int = 1
    """Trial calls that must succeed; as many may be under way at once."""
    rates: RateLimits | None = None
    """A sliding window beside the threshold; None: none."""
    recovery_factor: float = 1.0
    """Each further opening without a recovery between waits this much longer; 1: always the same."""
    recovery_max_s: float = 600.0
    """The longest wait that growing leads to (never below `recovery_s`)."""
    recovery_jitter: float = 0.0
    """Up to this share of the wait is added by chance; 0: none."""
    half_open_max_s: float = 60.0
    """Trials that have not decided after so long end as a failure does."""
    slow_call_s: float = 2.0
    """A success that took longer is slow."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Permission for one call. An outcome whose `generation` is past is dropped: the breaker has moved on."""

    generation: int
    is_trial: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """A state that a person chose: who, when, why, and until when (None: until a person ends it)."""

    state: BreakerState
    by: str
    at: datetime
    reason: str
    until: datetime | None = None


class Outcome(StrEnum):
    """What became of one call, in the figures a breaker keeps. `slow` is a success that took long."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    SLOW = "slow"
