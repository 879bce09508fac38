"""Named breakers: what they tell."""

from datetime import timedelta

import pytest

from dashboard_app.model.breaker import BreakerLimits, BreakerState, Hold, Outcome
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, BreakerOpen, NotFound
from dashboard_app.runtime.breakers import Breakers

FAILURE = BackendFailed("no answer", cause="timeout")


def test_a_scripted_history_is_what_it_tells() -> None:
    clock = ManualClock()
    breakers = Breakers(BreakerLimits(2, 30.0, 1), clock)
    api, told = breakers["api"], []
    api.on_change(lambda: told.append(api.state))
    api.succeeded(api.ask(), 0.1)
    api.succeeded(api.ask(), 3.0)
    first = clock.now()
    api.failed(api.ask(), FAILURE)
    clock.tick(5)
    api.failed(api.ask(), FAILURE)
    with pytest.raises(BreakerOpen) as refusal:
        api.ask()
    assert refusal.value.retry_after_s == 30
    reading = api.reading()
    assert (reading.state, reading.failing_since, reading.last_error) == (BreakerState.OPEN, first, FAILURE)
    assert (reading.failure_count, reading.retry_in_s, reading.failure_rate) == (2, 30, 0.5)
    assert reading.totals == {Outcome.SUCCEEDED: 1, Outcome.SLOW: 1, Outcome.FAILED: 2, Outcome.REJECTED: 1}
    clock.tick(30)
    api.succeeded(api.ask())
    assert [(move.source, move.target, move.cause) for move in api.transitions()] == [
        (BreakerState.CLOSED, BreakerState.OPEN, "threshold"),
        (BreakerState.OPEN, BreakerState.HALF_OPEN, "waited"),
        (BreakerState.HALF_OPEN, BreakerState.CLOSED, "recovered"),
    ]
    assert (api.reading().failing_since, api.reading().opened_at, api.retry_at) == (None, None, None)
    assert api.outcomes()[-1] is Outcome.SUCCEEDED
    assert told[-1] is BreakerState.CLOSED


def test_the_short_path_of_a_success_tells_what_the_long_one_does() -> None:
    clock = ManualClock()
    short, long = (Breakers(BreakerLimits(3), clock)["api"] for _ in range(2))
    for took in (0.1, 2.5, 0.1, 0.2) * 20:
        sent_at, tickets = clock.monotonic(), [short.ask(), long.ask()]
        clock.tick(took)
        short.answered(tickets[0], sent_at)
        long.succeeded(tickets[1], took)
        assert (short.reading(), short.outcomes()) == (long.reading(), long.outcomes())
    short.failed(short.ask(), FAILURE)
    short.answered(short.ask(), clock.monotonic())
    assert short.reading().failure_count == 0


def test_a_refusal_with_retry_after_keeps_it_open_for_that_long() -> None:
    clock = ManualClock()
    api = Breakers(BreakerLimits(1, 30.0), clock)["api"]
    api.failed(api.ask(), BackendFailed(status=429, retry_after_s=120))
    assert api.reading().retry_in_s == 120


def test_a_sick_sources_failures_are_counted_and_move_nothing() -> None:
    api = Breakers(BreakerLimits(1), ManualClock())["api"]
    api.failed_alone(api.ask())
    assert (api.state, api.reading().totals[Outcome.FAILED]) == (BreakerState.CLOSED, 1)


def test_a_person_holds_it_open_and_says_why() -> None:
    api = Breakers(BreakerLimits(), ManualClock())["api"]
    api.hold(BreakerState.FORCED_OPEN, by="Ana", reason="migration")
    move = api.reading().last_transition
    assert move is not None
    assert (move.by, move.reason, api.lets_through) == ("Ana", "migration", False)
    with pytest.raises(BreakerOpen):
        api.ask()
    api.hold(BreakerState.CLOSED)
    assert api.lets_through
    assert api.held is None


def test_a_held_state_ends_by_itself_when_its_time_is_over() -> None:
    clock = ManualClock()
    api = Breakers(BreakerLimits(), clock)["api"]
    assert not api.expire()
    until = clock.now() + timedelta(minutes=5)
    api.hold(BreakerState.FORCED_OPEN, by="Ana", reason="migration", until=until)
    assert api.reading().hold == Hold(BreakerState.FORCED_OPEN, "Ana", clock.now(), "migration", until)
    clock.tick(299)
    assert not api.expire()
    clock.tick(1)
    assert api.expire()
    assert (api.lets_through, api.held, api.reading().opened_at, api.reading().failing_since) == (True, None, None, None)
    assert [(move.target.value, move.cause) for move in api.transitions()] == [("forced_open", "person"), ("closed", "expired")]


def test_every_move_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    api = Breakers(BreakerLimits(1), ManualClock())["api"]
    api.failed(api.ask(), FAILURE)
    api.hold(BreakerState.DISABLED, by="Ana", reason="false alarm")
    assert [record.getMessage() for record in caplog.records] == [
        "breaker api: closed -> open (threshold)",
        "breaker api: open -> disabled (person) by Ana: false alarm",
    ]


def test_try_now_makes_the_next_call_a_trial_and_an_empty_hand_gives_it_back() -> None:
    api = Breakers(BreakerLimits(1), ManualClock())["api"]
    api.failed(api.ask(), FAILURE)
    api.try_now()
    ticket = api.ask()
    assert ticket.is_trial
    api.given_back(ticket)
    assert api.ask().is_trial


def test_names_are_api_and_websocket() -> None:
    breakers = Breakers(BreakerLimits(), ManualClock())
    assert [breaker.name for breaker in breakers] == ["api", "websocket"]
    with pytest.raises(NotFound):
        breakers["other"]
