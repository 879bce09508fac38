"""What people are told of a breaker's calls: totals, those of the last 15 minutes, the last outcomes in order."""

from collections import deque

from dashboard_app.model.breaker import Outcome

SPAN_S = 900.0
"""How far back `recent` looks."""
STEP_S = 15.0
"""To how many seconds `recent` is exact: a call may stay so much longer than SPAN_S."""
KEPT = 60
"""Outcomes kept in order."""
_ORDER = tuple(Outcome)
Counts = tuple[int, ...]


class Tally:
    """Counts by outcome. `good` is public and bumped by hand where a call must cost nothing; `roll` when `now` >= `ends_at` first.

    Of the order only what was no plain success is kept, with its number: the rest of the last KEPT were successes.
    """

    __slots__ = ("_marks", "_odd", "_others", "ends_at", "good")

    def __init__(self, now: float) -> None:
        """Nothing was called yet."""
        self.good = 0
        self.ends_at = now + STEP_S
        self._odd: deque[tuple[int, Outcome]] = deque(maxlen=KEPT)
        self._others: dict[Outcome, int] = dict.fromkeys(_ORDER, 0)
        self._marks: deque[tuple[float, Counts]] = deque([(now, (0,) * len(_ORDER))])

    def add(self, outcome: Outcome, now: float) -> None:
        """Count one outcome at `now`."""
        if now >= self.ends_at:
            self.roll(now)
        if outcome is Outcome.SUCCEEDED:
            self.good += 1
            return
        self._odd.append((self._total(), outcome))
        self._others[outcome] += 1

    def roll(self, now: float) -> None:
        """Note where the totals stood when the step ended that was under way, and begin another at `now`."""
        counts = self._counts()
        self._marks.append((self.ends_at, counts))
        self._marks.append((now, counts))
        while self._marks[1][0] <= now - SPAN_S:
            self._marks.popleft()
        self.ends_at = now + STEP_S

    @property
    def last(self) -> tuple[Outcome, ...]:
        """The last KEPT outcomes, oldest first."""
        odd, end = dict(self._odd), self._total()
        return tuple(odd.get(number, Outcome.SUCCEEDED) for number in range(max(end - KEPT, 0), end))

    @property
    def totals(self) -> dict[Outcome, int]:
        """Calls by outcome since the start."""
        return dict(zip(_ORDER, self._counts(), strict=True))

    def recent(self, now: float) -> dict[Outcome, int]:
        """Calls by outcome of the last SPAN_S seconds."""
        if now >= self.ends_at:
            self.roll(now)
        horizon = now - SPAN_S
        before = next((counts for at, counts in reversed(self._marks) if at <= horizon), self._marks[0][1])
        return {outcome: here - there for outcome, here, there in zip(_ORDER, self._counts(), before, strict=True)}

    @property
    def failure_rate(self) -> float:
        """Failed calls among the last KEPT that were made (rejected ones were not), 0..1; 0 while none was made."""
        made = [outcome for outcome in self.last if outcome is not Outcome.REJECTED]
        return made.count(Outcome.FAILED) / len(made) if made else 0.0

    def _total(self) -> int:
        """How many outcomes there were."""
        return self.good + sum(self._others.values())

    def _counts(self) -> Counts:
        """The totals in the order of the outcomes."""
        return tuple(self.good if outcome is Outcome.SUCCEEDED else self._others[outcome] for outcome in _ORDER)
