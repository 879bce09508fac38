"""Named breakers: what they tell, what counts as a failure."""

import pytest

from dashboard_app.model.breaker import BreakerLimits, BreakerState, Outcome
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, BreakerOpen, NotFound
from dashboard_app.runtime.breakers import Breakers, counts_as_failure

FAILURE = BackendFailed("no answer", cause="timeout")


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
        (NotFound(), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_what_counts_as_a_failure_is_explicit(error: BaseException, counts: bool) -> None:
    assert counts_as_failure(error) is counts


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
