"""Rolling counts of outcomes."""

from dashboard_app.model.breaker import Outcome
from dashboard_app.policy.window import Window


def test_the_rate_counts_calls_that_were_made_among_the_last() -> None:
    window = Window(4)
    assert window.failure_rate == 0.0
    for outcome in (Outcome.FAILED, Outcome.SUCCEEDED, Outcome.REJECTED, Outcome.SLOW, Outcome.FAILED):
        window.add(outcome)
    assert window.failure_rate == 1 / 3
    assert window.totals[Outcome.FAILED] == 2
    assert window.last(2) == (Outcome.SLOW, Outcome.FAILED)
    assert window.last(0) == ()
