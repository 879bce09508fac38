"""Rolling counts of the outcomes of calls."""

from collections import deque

from dashboard_app.model.breaker import Outcome


class Window:
    """The last `size` outcomes in order, the counts among them, and the totals since the start."""

    __slots__ = ("_last", "totals")

    def __init__(self, size: int = 100) -> None:
        """Remember the last `size` outcomes (at least 1)."""
        self._last: deque[Outcome] = deque(maxlen=size)
        self.totals: dict[Outcome, int] = dict.fromkeys(Outcome, 0)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome; the oldest leaves when the window is full."""
        self._last.append(outcome)
        self.totals[outcome] += 1

    def last(self, count: int) -> tuple[Outcome, ...]:
        """The newest `count` outcomes, oldest first; fewer when there are fewer."""
        return tuple(self._last)[-count:] if count > 0 else ()

    @property
    def failure_rate(self) -> float:
        """Failed calls among those that were made (rejected ones were not), 0..1; 0 while none was made."""
        made = [outcome for outcome in self._last if outcome is not Outcome.REJECTED]
        return made.count(Outcome.FAILED) / len(made) if made else 0.0
