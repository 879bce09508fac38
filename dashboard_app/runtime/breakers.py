"""The named circuit breakers of this process, with the history of each for people."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard_app.model.breaker import BreakerLimits, BreakerState, Outcome, Ticket
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BackendFailed, BreakerOpen, NotFound, ProbeFailed, SpillwayError
from dashboard_app.policy.breaker import Breaker
from dashboard_app.policy.window import Window

SLOW_CALL_S = 2.0
"""A success that took longer is counted as slow."""
_TRANSITIONS_KEPT = 100


@dataclass(frozen=True, slots=True)
class Transition:
    """One move of a breaker. `cause` is a word (threshold, trial, recovered, waited, person); `by`, `reason` and `until` a person's."""

    at: datetime
    source: BreakerState
    target: BreakerState
    cause: str
    by: str = ""
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class BreakerReading:
    """One breaker at one moment. `retry_in_s` None: no trial is planned; `failing_since`: the first failure since the last success."""

    name: str
    state: BreakerState
    failure_count: int
    failure_rate: float
    opened_at: datetime | None
    retry_at: datetime | None
    retry_in_s: float | None
    failing_since: datetime | None
    last_error: SpillwayError | None
    totals: dict[Outcome, int]
    last_transition: Transition | None


def counts_as_failure(error: BaseException) -> bool:
    """True for what says the server is sick: no answer, a garbled one, a redirect, 5xx, 429. Never for other 4xx or cancellation.

    Nor for its word that a source is down: it works, and says so.
    """
    if not isinstance(error, BackendFailed):
        return False
    is_ours = error.status is not None and 400 <= error.status < 500 and error.status != 429  # noqa: PLR2004 - HTTP's own numbers
    return error.cause == "garbage" or not (is_ours or error.problem_code == ProbeFailed.code)


class NamedBreaker:
    """A policy breaker with a clock, a window of outcomes and a list of its moves."""

    def __init__(self, name: str, limits: BreakerLimits, clock: Clock) -> None:
        """Start closed, with no history."""
        self.name = name
        self._breaker = Breaker(limits)
        self._clock = clock
        self._window = Window()
        self._transitions: deque[Transition] = deque(maxlen=_TRANSITIONS_KEPT)
        self._opened_at: datetime | None = None
        self._failing_since: datetime | None = None
        self._last_error: SpillwayError | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        return self._breaker.state

    @property
    def lets_through(self) -> bool:
        """True when ordinary calls are let through."""
        return self._breaker.lets_through

    @property
    def retry_at(self) -> float | None:
        """Monotonic time of the next trial while open."""
        return self._breaker.retry_at

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every move and every counted failure."""
        self._listeners.append(listener)

    def ask(self, *, may_try: bool = True) -> Ticket:
        """A ticket for one call.

        Raises:
            BreakerOpen: with the time to the next trial.

        """
        before = self._breaker.state
        now = self._clock.monotonic()
        ticket = self._breaker.ask(now, may_try=may_try)
        self._note(before, "waited")
        if ticket is None:
            self._window.add(Outcome.REJECTED)
            raise BreakerOpen(retry_after_s=max((self._breaker.retry_at or now) - now, 1.0))
        return ticket

    def succeeded(self, ticket: Ticket, elapsed_s: float = 0.0) -> None:
        """Record a success that took `elapsed_s`."""
        before = self._breaker.state
        self._window.add(Outcome.SLOW if elapsed_s > SLOW_CALL_S else Outcome.SUCCEEDED)
        self._breaker.succeeded(ticket)
        if self._breaker.failure_count == 0 and self._breaker.lets_through:
            self._failing_since = self._last_error = None
        self._note(before, "recovered")

    def failed_alone(self, ticket: Ticket) -> None:
        """Record a failure that is one sick source's own: it is in the figures, and moves nothing."""
        self._window.add(Outcome.FAILED)
        self._breaker.given_back(ticket)

    def failed(self, ticket: Ticket, error: SpillwayError, *, key: str = "") -> None:
        """Record a failure; `key` names the source it concerned, "" the server as a whole."""
        before = self._breaker.state
        self._window.add(Outcome.FAILED)
        self._last_error = error
        self._failing_since = self._failing_since or self._clock.now()
        self._breaker.failed(ticket, self._clock.monotonic(), key=key)
        self._note(before, "trial" if before is BreakerState.HALF_OPEN else "threshold", always=True)

    def given_back(self, ticket: Ticket) -> None:
        """Take back a ticket without an outcome."""
        self._breaker.given_back(ticket)

    def hold(self, state: BreakerState, *, by: str = "", reason: str = "", until: datetime | None = None) -> None:
        """Put it into the state a person chose, and remember who and why."""
        before = self._breaker.state
        self._breaker.hold(state)
        self._failing_since = self._clock.now() if state is BreakerState.FORCED_OPEN else None
        self._note(before, "person", by=by, reason=reason, until=until)

    def try_now(self) -> None:
        """Let the next source call be a trial at once."""
        self._breaker.try_now(self._clock.monotonic())
        self._tell()

    def reading(self) -> BreakerReading:
        """Everything a page or the API says about it."""
        now, retry_at = self._clock.monotonic(), self._breaker.retry_at
        retry_in_s = None if retry_at is None else max(retry_at - now, 0.0)
        return BreakerReading(
            name=self.name,
            state=self._breaker.state,
            failure_count=self._breaker.failure_count,
            failure_rate=self._window.failure_rate,
            opened_at=self._opened_at,
            retry_at=None if retry_in_s is None else self._clock.now() + timedelta(seconds=retry_in_s),
            retry_in_s=retry_in_s,
            failing_since=self._failing_since,
            last_error=self._last_error,
            totals=dict(self._window.totals),
            last_transition=self._transitions[-1] if self._transitions else None,
        )

    def transitions(self) -> tuple[Transition, ...]:
        """The last 100 moves, oldest first."""
        return tuple(self._transitions)

    def outcomes(self) -> tuple[Outcome, ...]:
        """The last 60 outcomes, oldest first."""
        return self._window.last(60)

    def _note(
        self, before: BreakerState, cause: str, *, by: str = "", reason: str = "", until: datetime | None = None, always: bool = False
    ) -> None:
        """Keep a move, if there was one, and tell the listeners."""
        after = self._breaker.state
        if after is not before:
            at = self._clock.now()
            self._transitions.append(Transition(at, before, after, cause, by, reason, until))
            if self._breaker.lets_through:
                self._opened_at = None
            elif self._opened_at is None:
                self._opened_at = at
        if after is not before or always:
            self._tell()

    def _tell(self) -> None:
        """Tell the listeners."""
        for listener in self._listeners:
            listener()


class Breakers:
    """The breakers by name: `api` for the server this console reads from, `websocket` for its live feed."""

    def __init__(self, limits: BreakerLimits, clock: Clock, names: tuple[str, ...] = ("api", "websocket")) -> None:
        """Make one closed breaker per name."""
        self._by_name = {name: NamedBreaker(name, limits, clock) for name in names}

    def __getitem__(self, name: str) -> NamedBreaker:
        """The breaker called `name`.

        Raises:
            NotFound: there is none.

        """
        try:
            return self._by_name[name]
        except KeyError:
            raise NotFound(f"there is no breaker {name!r}") from None

    def __iter__(self) -> Iterator[NamedBreaker]:
        """All breakers, `api` first."""
        return iter(self._by_name.values())
