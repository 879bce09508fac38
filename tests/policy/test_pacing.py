"""The batched plan and the token bucket: arithmetic in view, and properties over random answers."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.policy.pacing import HOLD_S, Bucket, Pace, Plan

HEALTH = Plan(3, 0.2, 1.0)
METRICS = Plan(2, 0.3, 1.5)


def simulated(plan: Plan, answers_s: list[float], holds: list[bool] | None = None) -> tuple[list[float], float, int]:
    """Starts as early as allowed; (starts, end, most in flight)."""
    pace, now, starts, peak = Pace(), 0.0, [], 0
    flying: list[tuple[float, int]] = []
    for key, answer_s in enumerate(answers_s):
        while True:
            at = pace.next_start(plan, now)
            due = min(flying, default=(math.inf, -1))
            if at is not None and at <= min(now, due[0]):
                break
            if at is not None and at <= due[0]:
                now = max(now, at)
                continue
            now = due[0]
            flying.remove(due)
            pace = pace.answered(due[1], now)
        pace = pace.started(key, now, plan, holds=holds[key] if holds else True)
        flying.append((now + answer_s, key))
        starts.append(now)
        peak = max(peak, pace.in_flight)
    return starts, max(each[0] for each in flying), peak


@pytest.mark.parametrize("count", [1, 2, 3, 20, 100])
def test_health_takes_what_the_closed_form_says(count: int) -> None:
    batches = math.ceil(count / 3)
    in_last = count - 3 * (batches - 1)
    assert simulated(HEALTH, [0.05] * count)[1] == pytest.approx(1.45 * (batches - 1) + (in_last - 1) * 0.2 + 0.05)


def test_metrics_take_what_the_closed_form_says() -> None:
    assert simulated(METRICS, [0.05] * 20)[1] == pytest.approx(1.85 * 10 - 1.5)


@given(st.lists(st.floats(0.01, 10.0), min_size=1, max_size=40), st.data())
def test_never_more_in_flight_than_a_batch_and_starts_are_apart(answers_s: list[float], data: st.DataObject) -> None:
    holds = data.draw(st.lists(st.booleans(), min_size=len(answers_s), max_size=len(answers_s)))
    starts, _, peak = simulated(HEALTH, answers_s, holds)
    assert peak <= 3
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    assert all(gap >= 0.2 - 1e-9 for gap in gaps)
    assert all(starts[n + 3] - starts[n] >= 1.0 - 1e-9 for n in range(len(starts) - 3))


@given(st.lists(st.floats(0.01, 1.5), min_size=4, max_size=30))
def test_a_batch_begins_one_delay_after_all_of_the_one_before_are_answered(answers_s: list[float]) -> None:
    starts, _, _ = simulated(HEALTH, answers_s)
    for first in range(3, len(starts), 3):
        assert starts[first] >= max(starts[n] + answers_s[n] for n in range(first - 3, first)) + 1.0 - 1e-9


def test_a_hung_request_holds_its_batch_for_two_seconds_and_keeps_its_place() -> None:
    starts, _, peak = simulated(HEALTH, [60.0, 0.05, 0.05, 0.05, 0.05])
    assert starts[3] == pytest.approx(0.0 + HOLD_S + 1.0)
    assert peak <= 3


def test_a_retry_never_holds_its_batch() -> None:
    starts, _, _ = simulated(HEALTH, [0.05, 0.05, 5.0, 0.05], [True, True, False, True])
    assert starts[3] == pytest.approx(0.4 + 1.0)


def test_while_a_full_batch_is_held_the_next_start_waits_for_its_end() -> None:
    pace = Pace()
    for key, at in enumerate((0.0, 0.2)):
        pace = pace.started(key, at, METRICS)
    assert pace.next_start(METRICS, 0.3) is None
    assert pace.answered(0, 0.3).next_start(METRICS, 0.3) == pytest.approx(0.2 + HOLD_S + 1.5)


def test_a_quiet_lane_opens_a_new_batch() -> None:
    pace = Pace().started(0, 0.0, HEALTH).answered(0, 0.05)
    assert pace.started(1, 10.0, HEALTH).in_batch == 1
    assert pace.started(1, 0.2, HEALTH).in_batch == 2


def test_a_bucket_is_full_at_start_then_gives_one_token_per_share_of_a_minute() -> None:
    bucket = Bucket.full(5, 0.0)
    for _ in range(5):
        assert bucket.next_token(0.0) == 0.0
        bucket = bucket.taken(0.0)
    assert bucket.next_token(0.0) == pytest.approx(12.0)
    assert bucket.next_token(12.0) == 12.0


def test_a_changed_limit_never_fills_a_bucket() -> None:
    empty = Bucket(30, 0.0, 0.0)
    assert empty.resized(70, 0.0).tokens == 0.0
    assert Bucket.full(70, 0.0).resized(5, 0.0).tokens == 5.0


@pytest.mark.parametrize(
    ("count", "seconds"),
    [(0, 0.0), (1, 0.0), (3, 0.4), (4, 1.4), (20, 6 * 1.4 + 0.2)],  # a full batch takes 2 x 0.2 + 1.0
)
def test_the_least_time_of_a_round_counts_staggers_and_pauses(count, seconds):
    assert Plan(3, 0.2, 1.0).least_round_s(count) == pytest.approx(seconds)
