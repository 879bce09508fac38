"""One named circuit breaker of this process, with its history for people."""

import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dashboard_app.model.breaker import HELD_STATES, BreakerLimits, BreakerState, Cause, Hold, Outcome, Ticket
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BackendFailed, BreakerOpen, SpillwayError
from dashboard_app.policy.breaker import Breaker
from dashboard_app.policy.tally import Tally

_log = logging.getLogger(__name__)
_TRANSITIONS_KEPT = 100


@dataclass(frozen=True, slots=True)
class Transition:
    """One move of a breaker. `by`, `reason` and `until` belong to a move that a person made."""

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
    recent: dict[Outcome, int] = field(default_factory=dict)
    """Calls of the last 15 minutes."""
    would_open_count: int = 0
    """How often it would have opened since it only watches."""
    hold: Hold | None = None
    about: str = ""
    """What it guards, in the words of whoever named it; "" when the name says it."""


class NamedBreaker:
    """A policy breaker with a clock, a tally of outcomes and a list of its moves."""

    def __init__(
        self, name: str, limits: BreakerLimits, clock: Clock, *, chance: Callable[[], float] = random.random, about: str = ""
    ) -> None:
        """Start closed, with no history. `chance` gives numbers in 0..1 for the jitter."""
        self.name, self.limits, self.about = name, limits, about
        self._breaker = Breaker(limits)
        self._clock, self._monotonic, self._chance = clock, clock.monotonic, chance
        self._slow_s = limits.slow_call_s
        self._tally = Tally(clock.monotonic())
        self._transitions: deque[Transition] = deque(maxlen=_TRANSITIONS_KEPT)
        self._opened_at: datetime | None = None
        self._failing_since: datetime | None = None
        self._last_error: SpillwayError | None = None
        self._hold: Hold | None = None
        self._listeners: list[Callable[[], None]] = []
        self.on_move: Callable[[str, Transition], None] = lambda _name, _move: None
        """Hears of every move, with this breaker's name."""

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        return self._breaker.state

    @property
    def lets_through(self) -> bool:
        """True when ordinary calls are let through."""
        return self._breaker.passing is not None

    @property
    def retry_at(self) -> float | None:
        """Monotonic time of the next trial while open."""
        return self._breaker.retry_at

    @property
    def held(self) -> Hold | None:
        """The state that a person chose and that lasts; None when nobody did."""
        return self._hold

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every move and every counted failure."""
        self._listeners.append(listener)

    def retune(self, limits: BreakerLimits) -> None:
        """Go by other limits from now on."""
        self.limits, self._slow_s = limits, limits.slow_call_s
        self._breaker.retune(limits)

    def ask(self, *, may_try: bool = True) -> Ticket:
        """A ticket for one call.

        Raises:
            BreakerOpen: with the time to the next trial.

        """
        ticket = self._breaker.passing
        return ticket if ticket is not None else self._asked(may_try=may_try)

    def ticket_if_free(self) -> Ticket | None:
        """A ticket when there is one, a trial's too; asking and getting none is no call that was refused."""
        before = self._breaker.state
        ticket = self._breaker.ask(self._monotonic(), chance=self._chance())
        self._note(before)
        return ticket

    def answered(self, ticket: Ticket, sent_at: float) -> None:
        """Record the success of a call that began at monotonic `sent_at`: the path of nearly every call, so it only counts when it can."""
        now, tally = self._monotonic(), self._tally
        if ticket is self._breaker.clean and now - sent_at <= self._slow_s and now < tally.ends_at:
            tally.good += 1
        else:
            self._succeeded(ticket, now - sent_at, now)

    def succeeded(self, ticket: Ticket, elapsed_s: float = 0.0) -> None:
        """Record a success that took `elapsed_s`."""
        self._succeeded(ticket, elapsed_s, self._monotonic())

    def failed_alone(self, ticket: Ticket) -> None:
        """Record a failure that is one sick source's own: it is in the figures, and moves nothing."""
        self._tally.add(Outcome.FAILED, self._monotonic())
        self._breaker.given_back(ticket)

    def failed(self, ticket: Ticket, error: SpillwayError, *, key: str = "") -> None:
        """Record a failure; `key` names the source it concerned, "" the server as a whole. Its Retry-After is obeyed."""
        before, now = self._breaker.state, self._monotonic()
        self._tally.add(Outcome.FAILED, now)
        self._last_error = error
        self._failing_since = self._failing_since or self._clock.now()
        rest_s = (error.retry_after_s if isinstance(error, BackendFailed) else None) or 0.0
        self._breaker.failed(ticket, now, key=key, chance=self._chance(), retry_after_s=rest_s)
        self._note(before, always=True)

    def given_back(self, ticket: Ticket) -> None:
        """Take back a ticket without an outcome."""
        self._breaker.given_back(ticket)

    def hold(
        self, state: BreakerState, *, by: str = "", reason: str = "", until: datetime | None = None, at: datetime | None = None
    ) -> None:
        """Put it into the state a person chose, and remember who, why, since when (`at` None: now) and until when."""
        before, since = self._breaker.state, at or self._clock.now()
        self._breaker.hold(state)
        self._hold = Hold(state, by, since, reason, until) if state in HELD_STATES else None
        self._failing_since = since if state is BreakerState.FORCED_OPEN else None
        self._opened_at = since if state is BreakerState.FORCED_OPEN else None
        self._keep(Transition(since, before, state, Cause.PERSON.value, by, reason, until))
        self._tell()

    def expire(self) -> bool:
        """Close it when the time of a held state is over; True when it was."""
        held = self._hold
        if held is None or held.until is None or self._clock.now() < held.until:
            return False
        before, self._hold, self._failing_since = self._breaker.state, None, None
        self._breaker.hold(BreakerState.CLOSED, Cause.EXPIRED)
        self._note(before)
        return True

    def try_now(self) -> None:
        """Let the next source call be a trial at once."""
        self._breaker.try_now(self._monotonic())
        self._tell()

    def reading(self) -> BreakerReading:
        """Everything a page or the API says about it."""
        now, retry_at = self._monotonic(), self._breaker.retry_at
        retry_in_s = None if retry_at is None else max(retry_at - now, 0.0)
        return BreakerReading(
            name=self.name,
            state=self._breaker.state,
            failure_count=self._breaker.failure_count,
            failure_rate=self._tally.failure_rate,
            opened_at=self._opened_at,
            retry_at=None if retry_in_s is None else self._clock.now() + timedelta(seconds=retry_in_s),
            retry_in_s=retry_in_s,
            failing_since=self._failing_since,
            last_error=self._last_error,
            totals=self._tally.totals,
            recent=self._tally.recent(now),
            would_open_count=self._breaker.would_open_count,
            hold=self._hold,
            last_transition=self._transitions[-1] if self._transitions else None,
            about=self.about,
        )

    def transitions(self) -> tuple[Transition, ...]:
        """The last 100 moves, oldest first."""
        return tuple(self._transitions)

    def outcomes(self) -> tuple[Outcome, ...]:
        """The last 60 outcomes, oldest first."""
        return self._tally.last

    def _asked(self, *, may_try: bool) -> Ticket:
        """A trial's ticket while calls are not let through, or the refusal."""
        before, now = self._breaker.state, self._monotonic()
        ticket = self._breaker.ask(now, may_try=may_try, chance=self._chance())
        self._note(before)
        if ticket is None:
            self._tally.add(Outcome.REJECTED, now)
            raise BreakerOpen(retry_after_s=max((self._breaker.retry_at or now) - now, 1.0))
        return ticket

    def _succeeded(self, ticket: Ticket, elapsed_s: float, now: float) -> None:
        """Record a success that may change something."""
        before, is_slow = self._breaker.state, elapsed_s > self._slow_s
        self._tally.add(Outcome.SLOW if is_slow else Outcome.SUCCEEDED, now)
        self._breaker.succeeded(ticket, now, is_slow=is_slow, chance=self._chance())
        if self._breaker.failure_count == 0 and self.lets_through:
            self._failing_since = self._last_error = None
        self._note(before)

    def _note(self, before: BreakerState, *, always: bool = False) -> None:
        """Keep a move, if there was one, and tell the listeners."""
        after = self._breaker.state
        if after is not before:
            at = self._clock.now()
            self._keep(Transition(at, before, after, self._breaker.cause.value))
            if self.lets_through:
                self._opened_at = None
            elif self._opened_at is None:
                self._opened_at = at
        if after is not before or always:
            self._tell()

    def _keep(self, move: Transition) -> None:
        """Remember a move and write it to the log."""
        self._transitions.append(move)
        self.on_move(self.name, move)
        who = f" by {move.by}: {move.reason}" if move.by else ""
        _log.warning("breaker %s: %s -> %s (%s)%s", self.name, move.source, move.target, move.cause, who)

    def _tell(self) -> None:
        """Tell the listeners."""
        for listener in self._listeners:
            listener()
