"""A circuit breaker as a pure state machine: permission and outcome are two steps, stamped with a generation.

`now` is monotonic seconds. A ticket of an older generation is dropped, so that a late answer cannot move a breaker that
has moved on. The shape is gobreaker's two-step breaker, the windows and limits are resilience4j's; the rule that one source
alone cannot open it is our own. `chance` is a random number in 0..1 that the caller draws.
"""

from dashboard_app.model.breaker import HELD_STATES, BreakerLimits, BreakerState, Cause, Ticket
from dashboard_app.model.errors import BackendFailed, BreakerOpen, ProbeFailed
from dashboard_app.policy.window import Window

_THROUGH = frozenset({BreakerState.CLOSED, BreakerState.DISABLED, BreakerState.METRICS_ONLY})
RETRY_AFTER_MAX_S = 3600.0
"""A server that asks for a longer rest than this is asked again after it: a typo there must not silence it for a day."""


def counts_as_failure(error: BaseException) -> bool:
    """True for what says the server is sick: no answer, a garbled one, a redirect, 5xx, 429. Never for other 4xx or cancellation.

    A server that says `probe_failed` or `breaker_open` is well: what it was asked to look at is not.
    """
    if not isinstance(error, BackendFailed) or error.problem_code in (ProbeFailed.code, BreakerOpen.code):
        return False
    is_ours = error.status is not None and 400 <= error.status < 500 and error.status != 429  # noqa: PLR2004 - HTTP's own numbers
    return error.cause == "garbage" or not is_ours


class Breaker:
    """Opens by failures in a row or by rates; after a wait, a limited number of trials that all succeed close it.

    Failures that name the same `key` in a row count once: the breaker opens when different things fail together, not when
    one source is asked again and again. A failure without a key always counts.
    """

    __slots__ = (
        "_failed_keys",
        "_generation",
        "_openings",
        "_shadow_until",
        "_trials",
        "_trials_end_at",
        "_trials_good",
        "_window",
        "cause",
        "clean",
        "failure_count",
        "limits",
        "passing",
        "retry_at",
        "state",
        "would_open_count",
    )

    def __init__(self, limits: BreakerLimits) -> None:
        """Start closed."""
        self.limits = limits
        self.state = BreakerState.CLOSED
        self.cause = Cause.PERSON
        """Why it moved the last time."""
        self.failure_count = 0
        self.retry_at: float | None = None
        self.would_open_count = 0
        self.passing: Ticket | None = Ticket(0)
        """The ticket of every call while calls are let through; None while they are not. Taking it is asking, at no cost."""
        self.clean = self.passing if limits.rates is None else None
        """`passing` while a success of it would change nothing, and need not be told; else None."""
        self._window = Window(limits.rates) if limits.rates is not None else None
        self._failed_keys: set[str] = set()
        self._generation = 0
        self._openings = 0
        self._shadow_until = 0.0
        self._trials = self._trials_good = 0
        self._trials_end_at = 0.0

    def retune(self, limits: BreakerLimits) -> None:
        """Go by other limits from now on; the state stays, a window of another sort starts empty."""
        if limits.rates != self.limits.rates:
            self._window = Window(limits.rates) if limits.rates is not None else None
        self.limits = limits
        is_clean = self.passing is not None and limits.rates is None and self.failure_count == 0
        self.clean = self.passing if is_clean else None

    def ask(self, now: float, *, may_try: bool = True, chance: float = 0.0) -> Ticket | None:
        """A ticket for one call, or None: refused. `may_try` False never becomes a trial (pings, operators' clicks)."""
        if self.passing is not None:
            return self.passing
        if self.state is BreakerState.HALF_OPEN and now >= self._trials_end_at:
            self._open(now, Cause.TRIALS_TOO_LONG, chance)
        if self.state is BreakerState.FORCED_OPEN or not may_try:
            return None
        if self.state is BreakerState.OPEN:
            if self.retry_at is not None and now < self.retry_at:
                return None
            self._move(BreakerState.HALF_OPEN, Cause.WAITED)
            self._trials_end_at = now + self.limits.half_open_max_s
        if self._trials >= self.limits.half_open_calls:
            return None
        self._trials += 1
        return Ticket(self._generation, is_trial=True)

    def succeeded(self, ticket: Ticket, now: float, *, is_slow: bool = False, chance: float = 0.0) -> None:
        """Record a success: the count of failures starts anew; the last trial that was needed closes the breaker."""
        if ticket.generation != self._generation:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._trials_good += 1
            if self._trials_good >= self.limits.half_open_calls:
                self._openings = 0
                self._move(BreakerState.CLOSED, Cause.RECOVERED)
            return
        if self._is_blind(now):
            return
        self._forget_failures()
        self._judge(self._window.add(now, slow=is_slow) if self._window is not None else None, now, chance)

    def failed(self, ticket: Ticket, now: float, *, key: str = "", chance: float = 0.0, retry_after_s: float = 0.0) -> None:
        """Record a failure of the thing named `key`: a failed trial opens at once, else the threshold or a rate decides.

        `retry_after_s`: what the server asked for; an opening waits at least so long.
        """
        if ticket.generation != self._generation or self._is_blind(now):
            return
        if self.state is BreakerState.HALF_OPEN:
            self._open(now, Cause.TRIAL, chance, retry_after_s)
            return
        rate = self._window.add(now, failed=True) if self._window is not None else None
        if not key or key not in self._failed_keys:
            self._failed_keys.update((key,) if key else ())
            self.failure_count += 1
            self.clean = None
        reached = Cause.THRESHOLD if self.failure_count >= self.limits.failure_threshold else rate
        self._judge(reached, now, chance, retry_after_s)

    def given_back(self, ticket: Ticket) -> None:
        """Take back a ticket whose caller left without an outcome: no failure, and a trial's place is free again."""
        if ticket.is_trial and ticket.generation == self._generation:
            self._trials -= 1

    def hold(self, state: BreakerState, cause: Cause = Cause.PERSON) -> None:
        """Put it into a state a person chose: closed, forced open, disabled or watched only.

        Raises:
            ValueError: open and half open are reached by outcomes, not by hand.

        """
        if state not in HELD_STATES and state is not BreakerState.CLOSED:
            message = f"a breaker cannot be set to {state}"
            raise ValueError(message)
        self._openings, self._shadow_until = 0, 0.0
        if state is BreakerState.METRICS_ONLY:
            self.would_open_count = 0
        self._move(state, cause)

    def try_now(self, now: float) -> None:
        """End the wait of an open breaker, so that the next source call is a trial; otherwise nothing changes."""
        if self.state is BreakerState.OPEN:
            self.retry_at = now

    def _is_blind(self, now: float) -> bool:
        """True while outcomes count for nothing: switched off, or watched only in a time in which it would be open."""
        return self.state is BreakerState.DISABLED or (self.state is BreakerState.METRICS_ONLY and now < self._shadow_until)

    def _judge(self, reached: Cause | None, now: float, chance: float, retry_after_s: float = 0.0) -> None:
        """Open when a limit is reached; a breaker that only watches counts that it would have."""
        if reached is None:
            return
        if self.state is not BreakerState.METRICS_ONLY:
            self._open(now, reached, chance, retry_after_s)
            return
        self.would_open_count += 1
        self._shadow_until = now + self.limits.recovery_s
        self._forget_failures()
        if self._window is not None:
            self._window.clear()

    def _open(self, now: float, cause: Cause, chance: float, retry_after_s: float = 0.0) -> None:
        """Open until the wait is over: it grows with each opening since the last recovery, and never undercuts the server's wish."""
        failures = max(self.failure_count, 1)
        self._move(BreakerState.OPEN, cause)
        self.failure_count = failures
        limits = self.limits
        longest = max(limits.recovery_max_s, limits.recovery_s)
        grown = min(limits.recovery_s * _power(limits.recovery_factor, self._openings, longest / limits.recovery_s), longest)
        self._openings += 1
        wait_s = grown * (1.0 + limits.recovery_jitter * chance)
        self.retry_at = now + max(wait_s, min(retry_after_s, RETRY_AFTER_MAX_S))

    def _move(self, state: BreakerState, cause: Cause) -> None:
        """Enter `state` with a new generation; counts stay while half open, so that readers see why it opened."""
        failures = self.failure_count
        self._generation += 1
        self._trials = self._trials_good = 0
        self.retry_at = None
        self.state, self.cause = state, cause
        self.passing = Ticket(self._generation) if state in _THROUGH else None
        self._forget_failures()
        if self._window is not None:
            self._window.clear()
        if state is BreakerState.HALF_OPEN:
            self.failure_count = failures

    def _forget_failures(self) -> None:
        """Start counting anew."""
        self.failure_count = 0
        self.clean = self.passing if self._window is None else None
        self._failed_keys.clear()


def _power(factor: float, exponent: int, most: float) -> float:
    """`factor` to the power of `exponent`, not above `most` (a float would overflow after enough openings)."""
    grown = 1.0
    for _ in range(exponent):
        grown *= factor
        if grown >= most or factor == 1.0:
            break
    return grown
