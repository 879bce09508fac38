"""The breaker: tables of moves, and a state machine held against a small model."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from dashboard_app.model.breaker import BreakerLimits, BreakerState, Cause, RateLimits, Ticket
from dashboard_app.model.errors import BackendFailed, NotFound, ProbeFailed
from dashboard_app.policy.breaker import Breaker, counts_as_failure

LIMITS = BreakerLimits(failure_threshold=3, recovery_s=30.0, half_open_calls=2)


def asked(breaker: Breaker, now: float) -> Ticket:
    ticket = breaker.ask(now)
    assert ticket is not None
    return ticket


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(LIMITS)
    for _ in range(3):
        breaker.failed(asked(breaker, now), now)
    assert breaker.state is BreakerState.OPEN
    return breaker


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (BackendFailed(cause="timeout"), True),
        (BackendFailed(cause="refused"), True),
        (BackendFailed(cause="garbage", status=200), True),
        (BackendFailed(status=503), True),
        (BackendFailed(status=429), True),
        (BackendFailed(status=302), True),
        (BackendFailed(cause="unauthorized", status=401), False),
        (BackendFailed(status=502, problem_code=ProbeFailed.code), False),
        (NotFound(), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_what_counts_as_a_failure_is_explicit(error: BaseException, counts: bool) -> None:
    assert counts_as_failure(error) is counts


def test_a_success_starts_the_count_of_failures_anew() -> None:
    breaker = Breaker(LIMITS)
    for _ in range(5):
        breaker.failed(asked(breaker, 0), 0)
        breaker.failed(asked(breaker, 0), 0)
        breaker.succeeded(asked(breaker, 0), 0)
    assert (breaker.state, breaker.failure_count) == (BreakerState.CLOSED, 0)


def test_one_source_asked_again_and_again_does_not_open_it_but_different_ones_do() -> None:
    breaker = Breaker(LIMITS)
    for _ in range(10):
        breaker.failed(asked(breaker, 0), 0, key="source 1")
    assert breaker.failure_count == 1
    breaker.failed(asked(breaker, 0), 0, key="source 2")
    breaker.failed(asked(breaker, 0), 0)
    assert breaker.state is BreakerState.OPEN


def test_open_refuses_until_recovery_then_gives_limited_trials() -> None:
    breaker = opened()
    assert breaker.ask(29.9) is None
    trials = [breaker.ask(30.0) for _ in range(3)]
    assert [trial is not None and trial.is_trial for trial in trials] == [True, True, False]
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.failure_count == 3


def test_every_needed_trial_must_succeed() -> None:
    breaker = opened()
    first, second = asked(breaker, 30), asked(breaker, 30)
    breaker.succeeded(first, 30)
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.succeeded(second, 30)
    assert breaker.state is BreakerState.CLOSED
    assert breaker.retry_at is None


def test_a_failed_trial_opens_it_again_from_then_on() -> None:
    breaker = opened()
    breaker.failed(asked(breaker, 30), 31.0)
    assert (breaker.state, breaker.retry_at) == (BreakerState.OPEN, 61.0)


def test_a_trial_whose_caller_leaves_gives_its_place_back_and_is_no_failure() -> None:
    breaker = opened()
    left = [asked(breaker, 30), asked(breaker, 30)]
    assert breaker.ask(30) is None
    for trial in left:
        breaker.given_back(trial)
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.ask(30) is not None


def test_a_call_that_may_not_try_is_never_a_trial() -> None:
    breaker = opened()
    assert breaker.ask(100.0, may_try=False) is None
    assert breaker.state is BreakerState.OPEN


def test_late_outcomes_of_a_past_generation_move_nothing() -> None:
    breaker = Breaker(LIMITS)
    late_good, late_bad, left = (asked(breaker, 0) for _ in range(3))
    for _ in range(3):
        breaker.failed(asked(breaker, 0), 0)
    asked(breaker, 30)
    breaker.succeeded(late_good, 30)
    breaker.failed(late_bad, 30)
    breaker.given_back(left)
    assert breaker.state is BreakerState.HALF_OPEN


def test_try_now_ends_the_wait_of_an_open_breaker_only() -> None:
    breaker = opened()
    breaker.try_now(5.0)
    assert asked(breaker, 5.0).is_trial
    closed = Breaker(LIMITS)
    closed.try_now(5.0)
    assert closed.retry_at is None


def test_held_open_refuses_for_ever_until_closed_by_hand() -> None:
    breaker = Breaker(LIMITS)
    breaker.hold(BreakerState.FORCED_OPEN)
    assert breaker.ask(1e9) is None
    breaker.hold(BreakerState.CLOSED)
    assert breaker.ask(1e9) is not None


@pytest.mark.parametrize(("state", "would_open"), [(BreakerState.DISABLED, 0), (BreakerState.METRICS_ONLY, 2)])
def test_disabled_and_watched_never_refuse(state: BreakerState, would_open: int) -> None:
    breaker = Breaker(LIMITS)
    breaker.hold(state)
    for now in (0, 0, 0, 1, 1, 1, 29.9, 30, 30, 30):  # the three at 1 s would have been refused
        breaker.failed(asked(breaker, now), now)
        assert breaker.state is state
    assert breaker.would_open_count == would_open


@pytest.mark.parametrize("state", [BreakerState.OPEN, BreakerState.HALF_OPEN])
def test_open_and_half_open_are_not_set_by_hand(state: BreakerState) -> None:
    with pytest.raises(ValueError, match="cannot be set"):
        Breaker(LIMITS).hold(state)


def test_each_opening_waits_longer_up_to_the_cap_and_a_recovery_begins_anew() -> None:
    breaker = Breaker(BreakerLimits(1, 10.0, recovery_factor=2.0, recovery_max_s=60.0))
    now, waits = 0.0, []
    breaker.failed(asked(breaker, now), now)
    for _ in range(5):
        waits.append(breaker.retry_at - now)  # type: ignore[operator]
        now = breaker.retry_at or 0.0
        breaker.failed(asked(breaker, now), now)
    assert waits == [10, 20, 40, 60, 60]
    now = breaker.retry_at or 0.0
    breaker.succeeded(asked(breaker, now), now)
    breaker.failed(asked(breaker, now), now)
    assert breaker.retry_at == now + 10


def test_growing_never_overflows_and_a_cap_below_the_recovery_time_does_not_shorten_it() -> None:
    breaker = Breaker(BreakerLimits(1, 30.0, recovery_factor=10.0, recovery_max_s=1.0))
    now = 0.0
    for _ in range(500):
        breaker.failed(asked(breaker, now), now)
        assert breaker.retry_at == now + 30
        now += 30


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 30.0), (0.5, 33.0), (1.0, 36.0)])
def test_jitter_only_ever_adds_to_the_wait(chance: float, wait: float) -> None:
    breaker = Breaker(BreakerLimits(1, 30.0, recovery_jitter=0.2))
    breaker.failed(asked(breaker, 0), 0, chance=chance)
    assert breaker.retry_at == wait


@pytest.mark.parametrize(("asked_for", "wait"), [(5.0, 30.0), (90.0, 90.0), (1e9, 3600.0)])
def test_an_opening_waits_at_least_what_the_server_asked_for_within_an_hour(asked_for: float, wait: float) -> None:
    breaker = Breaker(BreakerLimits(1, 30.0))
    breaker.failed(asked(breaker, 0), 0, retry_after_s=asked_for)
    assert breaker.retry_at == wait


def test_trials_that_do_not_decide_in_time_end_as_a_failure_does() -> None:
    breaker = Breaker(BreakerLimits(1, 30.0, 2, half_open_max_s=10.0))
    breaker.failed(asked(breaker, 0), 0)
    late = asked(breaker, 30)
    assert asked(breaker, 39.9).is_trial
    assert breaker.ask(40.0) is None
    assert (breaker.state, breaker.cause, breaker.retry_at) == (BreakerState.OPEN, Cause.TRIALS_TOO_LONG, 70.0)
    breaker.succeeded(late, 41)
    assert breaker.state is BreakerState.OPEN


RATES = RateLimits(size=10, min_calls=4, failure_percent=50, slow_percent=75)


def test_a_failure_rate_opens_it_although_no_failures_stand_in_a_row() -> None:
    breaker = Breaker(BreakerLimits(100, rates=RATES))
    breaker.succeeded(asked(breaker, 0), 0)
    breaker.failed(asked(breaker, 0), 0)
    breaker.succeeded(asked(breaker, 0), 0)
    assert breaker.state is BreakerState.CLOSED
    breaker.failed(asked(breaker, 0), 0)
    assert (breaker.state, breaker.cause) == (BreakerState.OPEN, Cause.FAILURE_RATE)


def test_a_rate_of_slow_answers_opens_it_and_the_window_starts_empty_after_a_recovery() -> None:
    breaker = Breaker(BreakerLimits(100, rates=RATES))
    for _ in range(4):
        breaker.succeeded(asked(breaker, 0), 0, is_slow=True)
    assert (breaker.state, breaker.cause) == (BreakerState.OPEN, Cause.SLOW_RATE)
    breaker.succeeded(asked(breaker, 30), 30)
    for _ in range(3):
        breaker.succeeded(asked(breaker, 30), 30, is_slow=True)
    assert breaker.state is BreakerState.CLOSED


def test_watching_only_counts_openings_by_rate_too() -> None:
    breaker = Breaker(BreakerLimits(100, rates=RATES))
    breaker.hold(BreakerState.METRICS_ONLY)
    for now in (0, 0, 0, 0, 30, 30, 30, 30):
        breaker.succeeded(asked(breaker, now), now, is_slow=True)
    assert (breaker.state, breaker.would_open_count) == (BreakerState.METRICS_ONLY, 2)


def test_a_success_need_not_be_told_exactly_while_it_would_change_nothing() -> None:
    breaker = Breaker(LIMITS)
    assert breaker.clean is breaker.passing is not None
    breaker.failed(asked(breaker, 0), 0)
    assert breaker.clean is None
    breaker.succeeded(asked(breaker, 0), 0)
    assert breaker.clean is breaker.passing is not None
    breaker.hold(BreakerState.FORCED_OPEN)
    assert (breaker.clean, breaker.passing) == (None, None)
    assert Breaker(BreakerLimits(rates=RATES)).clean is None


MODEL_LIMITS = BreakerLimits(3, 30.0, 2, recovery_factor=2.0, recovery_max_s=100.0, half_open_max_s=40.0)


class AgainstModel(RuleBasedStateMachine):
    """The model: a state, failures in a row, trials out and good, the time to wait; tickets remember the model's epoch.

    Waits double with each opening up to 100 s; trials have 40 s; a watcher is blind for 30 s after it would have opened.
    """

    tickets: Bundle[tuple[Ticket, int]] = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.breaker, self.now = Breaker(MODEL_LIMITS), 0.0
        self.state, self.failures, self.out, self.good, self.until, self.epoch = "closed", 0, 0, 0, 0.0, 0
        self.openings, self.would = 0, 0

    def move(self, state: str) -> None:
        self.state, self.failures, self.out, self.good, self.epoch = state, 0, 0, 0, self.epoch + 1
        self.until = self.now + (40.0 if state == "half_open" else min(30.0 * 2**self.openings, 100.0) if state == "open" else 0.0)
        self.openings = self.openings + 1 if state == "open" else self.openings if state == "half_open" else 0

    @rule(target=tickets, may_try=st.booleans())
    def ask(self, may_try: bool) -> tuple[Ticket, int] | None:  # type: ignore[return]
        if self.state == "half_open" and self.now >= self.until:
            self.move("open")
        if self.state == "open" and may_try and self.now >= self.until:
            self.move("half_open")
        expected = self.state in ("closed", "disabled", "metrics_only") or (self.state == "half_open" and may_try and self.out < 2)
        ticket = self.breaker.ask(self.now, may_try=may_try)
        assert (ticket is not None) == expected
        if ticket is None:
            return (Ticket(-1), -1)
        self.out += ticket.is_trial
        return (ticket, self.epoch)

    @rule(given=consumes(tickets))
    def succeed(self, given: tuple[Ticket, int]) -> None:
        self.breaker.succeeded(given[0], self.now)
        if given[1] != self.epoch:
            return
        if self.state != "metrics_only" or self.now >= self.until:
            self.failures = 0
        if self.state == "half_open":
            self.good += 1
            if self.good == 2:
                self.move("closed")

    @rule(given=consumes(tickets))
    def fail(self, given: tuple[Ticket, int]) -> None:
        self.breaker.failed(given[0], self.now)
        if given[1] != self.epoch or (self.state == "metrics_only" and self.now < self.until):
            return
        self.failures += 1
        if self.state == "half_open" or (self.state == "closed" and self.failures == 3):
            self.move("open")
        elif self.state == "metrics_only" and self.failures == 3:
            self.failures, self.would, self.until = 0, self.would + 1, self.now + 30.0

    @rule(given=consumes(tickets))
    def leave(self, given: tuple[Ticket, int]) -> None:
        self.breaker.given_back(given[0])
        if given[1] == self.epoch and given[0].is_trial:
            self.out -= 1

    @rule(seconds=st.sampled_from([0.5, 10.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(state=st.sampled_from(["closed", "forced_open", "disabled", "metrics_only"]))
    def hold(self, state: str) -> None:
        self.breaker.hold(BreakerState(state))
        self.move(state)
        self.would = 0 if state == "metrics_only" else self.would

    @rule()
    def try_now(self) -> None:
        self.breaker.try_now(self.now)
        self.until = self.now if self.state == "open" else self.until

    @invariant()
    def agree(self) -> None:
        assert self.breaker.state == self.state
        assert self.breaker.would_open_count == self.would
        if self.state in ("closed", "metrics_only"):
            assert self.breaker.failure_count == self.failures
        assert self.breaker.retry_at == (self.until if self.state == "open" else None)


AgainstModel.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestAgainstModel = AgainstModel.TestCase


def test_other_limits_keep_the_state_and_the_count_and_begin_a_window_of_another_sort_empty() -> None:
    breaker = Breaker(LIMITS)
    breaker.failed(asked(breaker, 0), 0)
    breaker.retune(replace(LIMITS, failure_threshold=2))
    breaker.failed(asked(breaker, 0), 0)
    assert breaker.state is BreakerState.OPEN
    rated = BreakerLimits(100, rates=RATES)
    breaker = Breaker(rated)
    for _ in range(3):
        breaker.failed(asked(breaker, 0), 0)
    breaker.retune(replace(rated, failure_threshold=90))
    assert breaker.failure_count == 3
    breaker.retune(BreakerLimits(100))
    breaker.retune(rated)
    breaker.succeeded(asked(breaker, 0), 0)
    assert breaker.state is BreakerState.CLOSED
