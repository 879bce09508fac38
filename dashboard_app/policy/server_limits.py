"""What a server asks of its clients, and when that lets the next request start. Times are monotonic seconds."""

from dataclasses import dataclass

from dashboard_app.policy.pacing import Bucket

REST_MAX_S = 300.0
"""The longest rest that one Retry-After brings about."""


@dataclass(frozen=True, slots=True)
class Throttling:
    """What the server asks of its clients now; None: nothing (NORMAL)."""

    max_concurrent: int
    per_minute: int
    delay_s: float
    clicks_only: bool = False
    """True at EMERGENCY: background work stops."""


class ServerLimits:
    """The limits that bind now, what is left of the requests per minute, and the rest after a 429."""

    def __init__(self) -> None:
        """Nothing is asked."""
        self.throttling: Throttling | None = None
        self._bucket: Bucket | None = None
        self._rest_until = 0.0

    @property
    def clicks_only(self) -> bool:
        """True when only operators' clicks may start."""
        return self.throttling is not None and self.throttling.clicks_only

    def has_place(self, running: int) -> bool:
        """True when one more may start while `running` are under way."""
        return self.throttling is None or running < self.throttling.max_concurrent

    def follow(self, throttling: Throttling | None, now: float) -> None:
        """Go by `throttling` from the next start on. The bucket is full at first and never refilled by a change."""
        self.throttling = throttling
        if throttling is None:
            self._bucket = None
        elif self._bucket is None:
            self._bucket = Bucket.full(throttling.per_minute, now)
        else:
            self._bucket = self._bucket.resized(throttling.per_minute, now)

    def rest(self, seconds: float, now: float) -> None:
        """Let nothing start for so long, REST_MAX_S at most; a longer rest under way stays."""
        self._rest_until = max(self._rest_until, now + min(seconds, REST_MAX_S))

    def started(self, now: float) -> None:
        """Count a start."""
        if self._bucket is not None:
            self._bucket = self._bucket.taken(now)

    def earliest(self, now: float, last_start: float | None) -> float:
        """When rest, delay and requests per minute allow the next start, `now` at the earliest; `last_start` None: none was yet."""
        if self.throttling is None or self._bucket is None:
            return max(now, self._rest_until)
        spaced = now if last_start is None else last_start + self.throttling.delay_s
        return max(spaced, self._rest_until, self._bucket.next_token(now))
