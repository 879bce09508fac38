"""A circuit breaker as a pure state machine: permission and outcome are two steps, stamped with a generation.

`now` is monotonic seconds. A ticket of an older generation is dropped, so that a late answer cannot move a breaker that
has moved on. The shape is gobreaker's two-step breaker; the rule that one source alone cannot open it is our own.
"""

from dashboard_app.model.breaker import BreakerLimits, BreakerState, Ticket

_HELD = frozenset({BreakerState.FORCED_OPEN, BreakerState.DISABLED, BreakerState.METRICS_ONLY})


class Breaker:
    """Consecutive failures open it; after a wait, a limited number of trials that all succeed close it.

    Failures that name the same `key` in a row count once: the breaker opens when different things fail together, not when
    one source is asked again and again. A failure without a key always counts.
    """

    __slots__ = (
        "_failed_keys",
        "_generation",
        "_trials",
        "_trials_good",
        "failure_count",
        "limits",
        "retry_at",
        "state",
        "would_open_count",
    )

    def __init__(self, limits: BreakerLimits) -> None:
        """Start closed."""
        self.limits = limits
        self.state = BreakerState.CLOSED
        self.failure_count = 0
        self.retry_at: float | None = None
        self.would_open_count = 0
        self._failed_keys: set[str] = set()
        self._generation = 0
        self._trials = 0
        self._trials_good = 0

    @property
    def lets_through(self) -> bool:
        """True when ordinary calls are let through: closed, disabled, or only watched."""
        return self.state in (BreakerState.CLOSED, BreakerState.DISABLED, BreakerState.METRICS_ONLY)

    def ask(self, now: float, *, may_try: bool = True) -> Ticket | None:
        """A ticket for one call, or None: refused. `may_try` False never becomes a trial (pings, operators' clicks)."""
        if self.lets_through:
            return Ticket(self._generation)
        if self.state is BreakerState.FORCED_OPEN or not may_try:
            return None
        if self.state is BreakerState.OPEN:
            if self.retry_at is not None and now < self.retry_at:
                return None
            self._move(BreakerState.HALF_OPEN)
        if self._trials >= self.limits.half_open_calls:
            return None
        self._trials += 1
        return Ticket(self._generation, is_trial=True)

    def succeeded(self, ticket: Ticket) -> None:
        """Record a success: the count of failures starts anew; the last trial that was needed closes the breaker."""
        if ticket.generation != self._generation:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._trials_good += 1
            if self._trials_good >= self.limits.half_open_calls:
                self._move(BreakerState.CLOSED)
            return
        self._forget_failures()

    def failed(self, ticket: Ticket, now: float, *, key: str = "") -> None:
        """Record a failure of the thing named `key`: a failed trial opens at once, otherwise the threshold decides."""
        if ticket.generation != self._generation or self.state is BreakerState.DISABLED:
            return
        if self.state is BreakerState.HALF_OPEN:
            self._open(now)
            return
        if key and key in self._failed_keys:
            return
        if key:
            self._failed_keys.add(key)
        self.failure_count += 1
        if self.failure_count < self.limits.failure_threshold:
            return
        if self.state is BreakerState.METRICS_ONLY:
            self.would_open_count += 1
            self._forget_failures()
            return
        self._open(now)

    def given_back(self, ticket: Ticket) -> None:
        """Take back a ticket whose caller left without an outcome: no failure, and a trial's place is free again."""
        if ticket.is_trial and ticket.generation == self._generation:
            self._trials -= 1

    def hold(self, state: BreakerState) -> None:
        """Put it into a state a person chose: closed, forced open, disabled or watched only.

        Raises:
            ValueError: open and half open are reached by outcomes, not by hand.

        """
        if state not in _HELD and state is not BreakerState.CLOSED:
            message = f"a breaker cannot be set to {state}"
            raise ValueError(message)
        self._move(state)

    def try_now(self, now: float) -> None:
        """End the wait of an open breaker, so that the next source call is a trial; otherwise nothing changes."""
        if self.state is BreakerState.OPEN:
            self.retry_at = now

    def _open(self, now: float) -> None:
        """Open until the recovery time has passed."""
        failures = max(self.failure_count, 1)
        self._move(BreakerState.OPEN)
        self.failure_count = failures
        self.retry_at = now + self.limits.recovery_s

    def _move(self, state: BreakerState) -> None:
        """Enter `state` with a new generation; counts stay while half open, so that readers see why it opened."""
        failures = self.failure_count
        self._generation += 1
        self._trials = self._trials_good = 0
        self._forget_failures()
        self.retry_at = None
        self.state = state
        if state is BreakerState.HALF_OPEN:
            self.failure_count = failures

    def _forget_failures(self) -> None:
        """Start counting anew."""
        self.failure_count = 0
        self._failed_keys.clear()
