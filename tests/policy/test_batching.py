"""When a batch is due."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.policy.batching import BatchLimits, due_at, pause_s

LIMITS = BatchLimits(size=50, age_s=2.0, most=5000, waiting_most=10_000)


@pytest.mark.parametrize(
    ("count", "due"),
    [(0, None), (1, 102.0), (49, 102.0), (50, 101.0), (4000, 101.0)],  # the oldest came at 100, now is 101
)
def test_a_batch_is_due_by_size_or_by_the_age_of_its_oldest(count, due):
    assert due_at(LIMITS, count, 100.0, 101.0) == due


@given(st.integers(1, 100_000), st.floats(0, 1e6))
def test_whatever_waits_is_due_within_the_age(count, oldest_at):
    due = due_at(LIMITS, count, oldest_at, oldest_at)
    assert due is not None
    assert due <= oldest_at + LIMITS.age_s


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 10.0), (5000, 10.0)])
def test_pauses_double_up_to_the_longest(failures, seconds):
    assert pause_s(failures, 0.5, 10.0) == seconds
