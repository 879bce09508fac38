"""What is told of a breaker's calls, held against counting every call anew."""

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard_app.model.breaker import Outcome
from dashboard_app.policy.tally import KEPT, SPAN_S, STEP_S, Tally


def test_totals_order_and_rate_of_calls_that_were_made() -> None:
    tally = Tally(0.0)
    assert (tally.failure_rate, tally.last) == (0.0, ())
    for outcome in (Outcome.FAILED, Outcome.SUCCEEDED, Outcome.REJECTED, Outcome.SLOW):
        tally.add(outcome, 1.0)
    assert tally.failure_rate == 1 / 3
    assert tally.last == (Outcome.FAILED, Outcome.SUCCEEDED, Outcome.REJECTED, Outcome.SLOW)
    assert tally.totals == dict.fromkeys(Outcome, 1)


def test_a_call_has_left_the_last_fifteen_minutes_after_a_long_silence() -> None:
    tally = Tally(0.0)
    tally.add(Outcome.FAILED, 1.0)
    assert tally.recent(SPAN_S)[Outcome.FAILED] == 1
    assert tally.recent(2000.0)[Outcome.FAILED] == 0
    tally.add(Outcome.SLOW, 5000.0)
    assert tally.recent(5000.0) == dict.fromkeys(Outcome, 0) | {Outcome.SLOW: 1}


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, 14.9, 20.0, 400.0, 1000.0]), st.sampled_from(list(Outcome))), max_size=150))
def test_recent_counts_every_call_of_the_span_and_none_older_than_a_step_more(calls: list[tuple[float, Outcome]]) -> None:
    tally, now, seen = Tally(0.0), 0.0, []
    for gap, outcome in calls:
        now += gap
        tally.add(outcome, now)
        seen.append((now, outcome))
        for each, told in tally.recent(now).items():
            least = sum(1 for at, what in seen if what is each and at > now - SPAN_S)
            most = sum(1 for at, what in seen if what is each and at >= now - SPAN_S - STEP_S)
            assert least <= told <= most
    assert tally.last == tuple(outcome for _, outcome in seen[-KEPT:])
    assert tally.totals == {each: sum(1 for _, what in seen if what is each) for each in Outcome}
