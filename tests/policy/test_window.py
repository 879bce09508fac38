"""The sliding window: what is in it, and when its rates open a breaker."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard_app.model.breaker import Cause, RateLimits
from dashboard_app.policy import window as module
from dashboard_app.policy.window import Window

GOOD, BAD, SLOW = (False, False), (True, False), (False, True)


@pytest.mark.parametrize(
    ("calls", "verdict"),
    [
        ([BAD, BAD, BAD], None),  # fewer than the minimum of 4 say nothing
        ([GOOD, GOOD, BAD, BAD], Cause.FAILURE_RATE),  # 2 of 4 = 50 %
        ([GOOD, GOOD, GOOD, BAD, BAD], None),  # 40 %
        ([GOOD, SLOW, SLOW, SLOW], Cause.SLOW_RATE),  # 75 %
        ([GOOD, SLOW, SLOW, GOOD], None),  # 50 % slow
        ([BAD, BAD, BAD, GOOD, GOOD, GOOD, GOOD, GOOD], None),  # the first three have left a window of 5
    ],
)
def test_rates_count_only_from_the_minimum_of_calls_on(calls: list[tuple[bool, bool]], verdict: Cause | None) -> None:
    window = Window(RateLimits(size=5, min_calls=4, failure_percent=50, slow_percent=75))
    said = None
    for now, (failed, slow) in enumerate(calls):
        said = window.add(float(now), failed=failed, slow=slow)
    assert said is verdict


def test_a_window_by_time_forgets_what_is_older_and_clear_forgets_all() -> None:
    window = Window(RateLimits(size=10.0, by_time=True, min_calls=2))
    window.add(0.0, failed=True)
    assert window.add(9.9, failed=True) is Cause.FAILURE_RATE
    assert window.add(19.95) is None  # only this call is left: below the minimum
    window.clear()
    window.add(20.0, failed=True)
    assert window.add(20.0, failed=True) is Cause.FAILURE_RATE


def test_a_window_by_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALLS_AT_MOST", 3)
    window = Window(RateLimits(size=1e9, by_time=True, min_calls=3, failure_percent=100))
    for _ in range(10):
        window.add(0.0)
    assert [window.add(0.0, failed=True) for _ in range(3)] == [None, None, Cause.FAILURE_RATE]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 5), st.booleans(), st.booleans()), max_size=60), st.booleans())
def test_running_counts_are_what_counting_anew_gives(calls: list[tuple[float, bool, bool]], by_time: bool) -> None:
    limits = RateLimits(size=7, by_time=by_time, min_calls=3, failure_percent=40, slow_percent=60)
    window, now, seen = Window(limits), 0.0, []
    for gap, failed, slow in calls:
        now += gap
        seen.append((now, failed, slow))
        inside = [call for call in seen if call[0] > now - 7] if by_time else seen[-7:]
        said = window.add(now, failed=failed, slow=slow)
        bad, late, made = sum(call[1] for call in inside), sum(call[2] for call in inside), len(inside)
        expected = None
        if made >= 3 and bad and bad / made >= 0.4:
            expected = Cause.FAILURE_RATE
        elif made >= 3 and late and late / made >= 0.6:
            expected = Cause.SLOW_RATE
        assert said is expected
