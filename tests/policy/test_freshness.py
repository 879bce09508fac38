"""Stale, refetch, retries with jitter, the slow lane, and who is read first."""

from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.policy.freshness import Freshness, Track, first_of, in_order, next_round_at, retry_delay_s, slow_interval_s

RULES = Freshness(stale_s=60, refetch_s=120, retries=2, retry_delay_s=3)


def test_a_round_reads_what_was_never_read_or_is_stale() -> None:
    assert Track().is_due(0, RULES)
    assert not Track(read_at=100).is_due(159.9, RULES)
    assert Track(read_at=100).is_due(160, RULES)


def test_without_a_round_a_source_is_overdue_when_new_or_one_refetch_old_but_not_while_it_fails() -> None:
    assert Track().overdue_at(RULES) == 0.0
    assert Track(read_at=100).overdue_at(RULES) == 220
    assert Track(read_at=100, failures=1).overdue_at(RULES) is None


def test_two_failures_move_to_the_slow_lane_and_one_success_brings_back_at_once() -> None:
    once = Track(read_at=5).failed(10, RULES, 0.5)
    twice = once.failed(20, RULES, 0.5)
    assert (once.is_slow, twice.is_slow) == (False, True)
    assert (twice.read_at, twice.next_slow_at) == (5, 20 + 60)
    assert twice.succeeded(30) == Track(read_at=30)


def test_a_slow_bad_answer_is_a_reading_and_a_failure() -> None:
    assert Track().failed(10, RULES, 0.5, was_read=True).read_at == 10


def test_the_slow_interval_doubles_from_half_a_refetch_to_two() -> None:
    assert [slow_interval_s(RULES, failures, 0.5) for failures in (1, 2, 3, 4, 5, 50)] == [60, 60, 120, 240, 240, 240]


@given(st.floats(0, 1), st.integers(1, 100))
def test_jitter_is_at_most_a_quarter(chance: float, failures: int) -> None:
    middle = slow_interval_s(RULES, failures, 0.5)
    assert 0.75 * middle <= slow_interval_s(RULES, failures, chance) <= 1.25 * middle
    assert 3.0 <= retry_delay_s(RULES, chance) <= 3.75


def test_rounds_never_overlap() -> None:
    assert next_round_at(0, 9, RULES) == 120
    assert next_round_at(0, 480, RULES) == 480


def test_in_view_first_then_never_read_then_the_oldest() -> None:
    tracks = {1: Track(read_at=50), 2: Track(read_at=10), 3: Track(), 4: Track(read_at=90)}
    assert in_order(tracks, frozenset({4})) == (4, 3, 2, 1)
    order = []
    while (chosen := first_of(tracks, frozenset({4}))) is not None:
        order.append(chosen)
        del tracks[chosen]
    assert order == [4, 3, 2, 1]
