"""The numbers a guard works with. The pool's own size is read from the pool."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """What a guard admits, when it suspects a leak, how often it looks. Durations in seconds, all above 0; counts at least 1."""

    max_concurrent_requests: int = 25
    """Database work admitted at once."""
    admission_timeout_s: float = 0.5
    """How long work waits for a place."""
    max_waiting: int = 1000
    """Work that may wait for a place; more is refused at once."""
    leak_threshold_s: float = 60.0
    """A checkout older than this that runs nothing is a suspected leak."""
    auto_cleanup: bool = True
    """Clean up without being asked at 90 % usage and more."""
    cooldown_s: float = 30.0
    """Least time between two cleanups nobody asked for."""
    monitor_interval_s: float = 30.0
    """How often the server's own view is read."""
    heartbeat_s: float = 2.0
    """How often the database is asked whether it answers, and how long it may take to."""
