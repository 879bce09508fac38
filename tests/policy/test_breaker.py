"""The breaker: tables of moves, and a state machine held against a small model."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from dashboard_app.model.breaker import BreakerLimits, BreakerState, Ticket
from dashboard_app.policy.breaker import Breaker

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


def test_a_success_starts_the_count_of_failures_anew() -> None:
    breaker = Breaker(LIMITS)
    for _ in range(5):
        breaker.failed(asked(breaker, 0), 0)
        breaker.failed(asked(breaker, 0), 0)
        breaker.succeeded(asked(breaker, 0))
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
    breaker.succeeded(first)
    assert breaker.state is BreakerState.HALF_OPEN
    breaker.succeeded(second)
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
    breaker.succeeded(late_good)
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
    for _ in range(6):
        breaker.failed(asked(breaker, 0), 0)
    assert (breaker.state, breaker.would_open_count) == (state, would_open)


@pytest.mark.parametrize("state", [BreakerState.OPEN, BreakerState.HALF_OPEN])
def test_open_and_half_open_are_not_set_by_hand(state: BreakerState) -> None:
    with pytest.raises(ValueError, match="cannot be set"):
        Breaker(LIMITS).hold(state)


class AgainstModel(RuleBasedStateMachine):
    """The model: a state, failures in a row, trials out and good, the time to wait; tickets remember the model's epoch."""

    tickets: Bundle[tuple[Ticket, int]] = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.breaker, self.now = Breaker(LIMITS), 0.0
        self.state, self.failures, self.out, self.good, self.wait_until, self.epoch = "closed", 0, 0, 0, 0.0, 0

    def move(self, state: str) -> None:
        self.state, self.failures, self.out, self.good, self.epoch = state, 0, 0, 0, self.epoch + 1
        self.wait_until = self.now + 30.0

    @rule(target=tickets, may_try=st.booleans())
    def ask(self, may_try: bool) -> tuple[Ticket, int] | None:  # type: ignore[return]
        if self.state == "open" and may_try and self.now >= self.wait_until:
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
        self.breaker.succeeded(given[0])
        if given[1] != self.epoch:
            return
        self.failures = 0
        if self.state == "half_open":
            self.good += 1
            if self.good == 2:
                self.move("closed")

    @rule(given=consumes(tickets))
    def fail(self, given: tuple[Ticket, int]) -> None:
        self.breaker.failed(given[0], self.now)
        if given[1] != self.epoch:
            return
        self.failures += 1
        if self.state == "half_open" or (self.state == "closed" and self.failures == 3):
            self.move("open")
        elif self.state == "metrics_only" and self.failures == 3:
            self.failures = 0

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

    @invariant()
    def agree(self) -> None:
        assert self.breaker.state == self.state
        if self.state == "closed":
            assert self.breaker.failure_count == self.failures


AgainstModel.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestAgainstModel = AgainstModel.TestCase
