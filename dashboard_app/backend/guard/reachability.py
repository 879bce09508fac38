"""Whether the database answers, since when it does not, and who hears of it."""

from collections.abc import Callable
from datetime import datetime

from dashboard_app.backend.guard.gauge import Gauge
from dashboard_app.model.clock import Clock


class Reachability:
    """By the monitor's last look and, when there is one, a second opinion: who of them says no is believed. The gauge keeps the word."""

    def __init__(self, gauge: Gauge, clock: Clock, second_opinion: Callable[[], bool] | None) -> None:
        """The database answers until somebody says otherwise."""
        self._gauge, self._clock, self._second_opinion = gauge, clock, second_opinion
        self._listeners: list[Callable[[bool], None]] = []
        self.is_answering = True
        """What the monitor saw last."""
        self.away_since: datetime | None = None
        """None: it answers."""

    def listen(self, callback: Callable[[bool], None]) -> None:
        """Call `callback` whenever the database goes away or comes back."""
        self._listeners.append(callback)

    def refresh(self) -> None:
        """Bring the gauge up to date, and tell who listens when that is news."""
        is_reachable = self.is_answering and (self._second_opinion is None or self._second_opinion())
        if is_reachable != self._gauge.throttle.is_reachable:
            self.away_since = None if is_reachable else self._clock.now()
            self._gauge.set_reachable(is_reachable)
            for callback in self._listeners:
                callback(is_reachable)
