"""What the server asks of its clients, as this console last heard it, and what it does with that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dashboard_app.model.clock import Clock
from dashboard_app.model.pool import Level, ThrottlingConfig
from dashboard_app.policy.server_limits import Throttling

_ORDER = tuple(Level)
_MODERATE = Throttling(max_concurrent=7, per_minute=70, delay_s=0.3)
"""The contract's row for MODERATE: what a client assumes whose config is too old."""


@dataclass(frozen=True, slots=True)
class Hint:
    """The limits of one X-Throttle header, or of one config."""

    level: Level
    max_concurrent: int
    per_minute: int
    delay_ms: int
    version: int


def parse_hint(value: str) -> Hint | None:
    """`level=NORMAL; max=10; rpm=100; delay=100; version=42` as a hint; None for anything else."""
    parts = dict(part.strip().partition("=")[::2] for part in value.split(";"))
    try:
        numbers = {name: int(parts[name]) for name in ("max", "rpm", "delay", "version")}
        return Hint(Level(parts["level"]), max(numbers["max"], 1), max(numbers["rpm"], 1), max(numbers["delay"], 0), numbers["version"])
    except (KeyError, ValueError):
        return None


class Throttle:
    """Keeps the newest limits and their age. A server that never offered any is not throttled."""

    def __init__(self, clock: Clock, *, poll_s: float) -> None:
        """Nothing heard yet; the time to assume the worst counts from here."""
        self._clock = clock
        self.poll_s = poll_s
        self._ttl_s = 30.0
        self._hint: Hint | None = None
        self._confirmed_at = clock.monotonic()
        self._is_offered = True
        self.on_news: Callable[[], None] = lambda: None
        """Called when an answer shows a version that was not confirmed by a config."""
        self.on_limits: Callable[[], None] = lambda: None
        """Called after every confirmation."""

    def hear(self, headers: Mapping[str, str]) -> None:
        """Obey the hint of an answer; an older version than the known one only asks for a new config."""
        hint = parse_hint(headers.get("x-throttle", ""))
        if hint is None:
            return
        is_news = self._hint is None or hint.version != self._hint.version
        if self._hint is None or hint.version >= self._hint.version:
            self._accept(hint)
        if is_news:
            self.on_news()

    def learn(self, config: ThrottlingConfig) -> None:
        """Obey a config: it is true whatever came before."""
        self._ttl_s = config.ttl_s
        self._accept(
            Hint(config.level, config.max_concurrent_requests, config.max_requests_per_minute, config.request_delay_ms, config.version)
        )

    def acts_on(self) -> int | None:
        """The version of the limits this console acts on; None while it has heard of none."""
        return None if self._hint is None else self._hint.version

    def not_offered(self) -> None:
        """The server has no throttling-config. One that had limits before has lost them: the last grow old like any other."""
        self._is_offered = self._hint is not None
        self.on_limits()

    @property
    def is_assumed(self) -> bool:
        """True when the config is older than its ttl and one poll interval."""
        return self._is_offered and self._clock.monotonic() - self._confirmed_at > self._ttl_s + self.poll_s

    @property
    def level(self) -> Level:
        """The level this console acts on: the last known, at least MODERATE when that is too old."""
        known = self._hint.level if self._hint else Level.NORMAL
        return max(known, Level.MODERATE, key=_ORDER.index) if self.is_assumed else known

    @property
    def max_concurrent(self) -> int | None:
        """How many requests the server takes at once, at any level; None when it never told."""
        if self._hint is None:
            return _MODERATE.max_concurrent if self.is_assumed else None
        return min(self._hint.max_concurrent, _MODERATE.max_concurrent) if self.is_assumed else self._hint.max_concurrent

    def limits(self) -> Throttling | None:
        """What binds now; None at NORMAL."""
        if self.level is Level.NORMAL:
            return None
        if self._hint is None or self._hint.level is Level.NORMAL:
            return _MODERATE
        hint = self._hint
        return Throttling(hint.max_concurrent, hint.per_minute, hint.delay_ms / 1000.0, clicks_only=hint.level is Level.EMERGENCY)

    def _accept(self, hint: Hint) -> None:
        """Take over limits and note when."""
        self._hint = hint
        self._is_offered = True
        self._confirmed_at = self._clock.monotonic()
        self.on_limits()
