"""The words of a circuit breaker."""

from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    """Where a breaker stands. The last three are set by a person."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    DISABLED = "disabled"
    METRICS_ONLY = "metrics_only"


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When a breaker opens and how it comes back. All at least 1 (calls) or 0.01 s."""

    failure_threshold: int = 5
    """Consecutive failures that open it."""
    recovery_s: float = 30.0
    """Wait before a trial."""
    half_open_calls: int = 1
    """Trial calls that must succeed; as many may be under way at once."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Permission for one call. An outcome whose `generation` is past is dropped: the breaker has moved on."""

    generation: int
    is_trial: bool = False


class Outcome(StrEnum):
    """What became of one call, in the window a breaker keeps. `slow` is a success that took long."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"
    SLOW = "slow"
