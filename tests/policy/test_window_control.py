"""The adaptive window: bounds, growth, one step back for one trouble, and properties over random histories."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.policy.pacing import HOLD_S
from dashboard_app.policy.window_control import (
    REST_S,
    SLOW_BULK_S,
    UNTOLD_PLACES,
    Signal,
    Usage,
    Window,
    places,
)

GOOD, REFUSED, SILENT, NOTHING = Signal.GOOD, Signal.REFUSED, Signal.SILENT, Signal.NOTHING


def full(size: float, at: float = 0.0, first: int = 3) -> Window:
    """A window with as many under way as it takes, all started at one moment."""
    return Window(first, size, tuple((key, at) for key in range(int(size))), filled_at=at)


@pytest.mark.parametrize(
    ("told", "usage", "expected"),
    [
        (None, None, UNTOLD_PLACES),
        (7, None, 7),
        (0, None, 1),
        (10, Usage(0, 30, 0), 10),
        (100, Usage(0, 30, 0), 23),
        (100, Usage(10, 30, 0), 13),
        (100, Usage(10, 30, 10), 23),
        (10, Usage(20, 30, 0), 3),
        (10, Usage(20, 30, 3), 6),
        (10, Usage(30, 30, 0), 1),
        (10, Usage(0, 0, 0), 10),
    ],
)
def test_places_are_what_the_server_says_less_what_would_fill_its_pool_to_the_target(
    told: int | None, usage: Usage | None, expected: int
) -> None:
    assert places(told, usage) == expected


@given(st.integers(1, 500), st.integers(1, 200), st.integers(0, 200), st.integers(0, 50))
def test_others_and_places_together_stay_below_the_target_unless_the_others_reach_it_alone(
    told: int, capacity: int, others: int, own: int
) -> None:
    given_places = places(told, Usage(others + own, capacity, own))
    assert 1 <= given_places <= told
    assert given_places == 1 or others + given_places < capacity * 0.8


def test_a_window_starts_at_the_batch_size_and_grows_by_one_for_each_full_window_of_good_answers() -> None:
    window, now, sizes = Window.opened(3), 0.0, []
    for turn in range(8):
        keys = []
        while window.next_start(10, now) == now:
            keys.append(100 * turn + len(keys))
            window = window.started(keys[-1], now)
        sizes.append(window.in_flight)
        now += 0.05
        for key in keys:
            window = window.answered(key, now, GOOD, 10)
    assert sizes == [3, 4, 5, 6, 7, 8, 9, 10]


def test_a_window_that_is_not_full_does_not_grow() -> None:
    window = Window.opened(3).started(1, 0.0)
    assert window.answered(1, 0.05, GOOD, 10).size == 3.0


def test_a_window_never_grows_above_its_places() -> None:
    assert full(4).answered(0, 0.05, GOOD, 4).size == 4.0
    assert full(6).answered(0, 0.05, GOOD, 4).size == 6.0
    assert full(6).next_start(4, 0.0) is None
    assert full(6).at_once(4) == 4


def test_the_first_refusal_halves_it_and_those_of_the_same_flight_do_not_again() -> None:
    window = full(8).answered(0, 0.05, REFUSED, 10)
    assert window.size == 4.0
    window = window.answered(1, 0.06, REFUSED, 10)
    assert window.size == 4.0
    window = window.started(90, 0.07).answered(90, 0.1, REFUSED, 10)
    assert window.size == 2.0


def test_a_slow_answer_halves_it_unless_a_later_request_was_answered_in_time() -> None:
    window = Window(3, 8.0, ((1, 0.0), (2, 0.0)), usual_s=0.05)
    assert window.answered(1, 0.24, GOOD, 10).size == 8.0  # four times the usual, but not long
    assert window.answered(1, 0.3, GOOD, 10).size == 4.0
    overtaken = window.started(3, 0.1).answered(3, 0.15, GOOD, 10)
    assert overtaken.answered(1, 0.3, GOOD, 10).size == overtaken.size
    assert overtaken.answered(1, 8.0, SILENT, 10).size == overtaken.size
    assert overtaken.answered(1, 8.0, REFUSED, 10).size == 4.0


def test_no_answer_is_slow_whatever_is_usual_and_a_bulk_read_is_slow_from_two_seconds() -> None:
    window = full(8)
    assert window.answered(0, 8.0, SILENT, 10).size == 4.0
    quick = window.answered(0, SLOW_BULK_S - 0.1, GOOD, 10, is_bulk=True)
    assert quick.size > 8.0
    assert quick.usual_s is None
    assert window.answered(0, SLOW_BULK_S, GOOD, 10, is_bulk=True).size == 4.0


def test_a_server_that_stays_slower_becomes_the_usual() -> None:
    window, now = Window(1, 1.0, usual_s=0.05), 0.0
    for key in range(40):
        window = window.started(key, now)
        now += 0.6
        window = window.answered(key, now, GOOD, 1)
    assert window.usual_s == pytest.approx(0.6, abs=0.01)
    assert window.good_start == pytest.approx(now - 0.6)


def test_what_says_nothing_of_the_server_and_what_is_unknown_only_leave() -> None:
    window = full(4)
    for after in (window.answered(0, 5.0, NOTHING, 10), window.answered(77, 5.0, REFUSED, 10)):
        assert after.size == 4.0
    assert window.answered(0, 5.0, NOTHING, 10).in_flight == 3


def test_what_hangs_for_two_seconds_takes_no_room_but_keeps_its_place() -> None:
    window = full(3)
    assert window.next_start(10, 0.5) == HOLD_S
    assert window.next_start(10, HOLD_S) == HOLD_S
    assert window.next_start(3, HOLD_S) is None


def test_after_a_rest_it_starts_at_the_batch_size_again() -> None:
    for size in (8.0, 1.5):
        rested = Window(3, size, last_answer=0.0)
        assert rested.started(1, REST_S).size == 3.0
        assert rested.started(1, REST_S - 0.1).size == size
        assert Window(3, size, ((9, 0.0),), last_answer=0.0).started(1, REST_S).size == size


MOMENTS = st.lists(
    st.tuples(st.floats(0.0, 3.0), st.sampled_from([*Signal, GOOD, GOOD, GOOD]), st.booleans(), st.integers(1, 12)), max_size=120
)


@given(st.integers(1, 10), MOMENTS)
def test_no_history_leaves_the_bounds_and_a_refusal_never_lets_more_through(
    first: int, moments: list[tuple[float, Signal, bool, int]]
) -> None:
    window, now, key = Window.opened(first), 0.0, 0
    most = 10
    for pause_s, signal, starts, told in moments:
        now += pause_s
        if starts:
            at = window.next_start(told, now)
            has_rested = not window.flying and window.last_answer is not None and now - window.last_answer >= REST_S
            if at is not None and at <= now:
                fresh = sum(now < start + HOLD_S for _, start in window.flying)
                assert fresh < max(min(int(window.size), told), 1)
                assert window.in_flight < told
                key += 1
                before, window = window, window.started(key, now)
                assert window.size == (float(first) if has_rested else before.size)
        elif window.flying:
            before = window
            window = window.answered(window.flying[0][0], now, signal, most)
            assert window.in_flight == before.in_flight - 1
            assert window.size <= before.size if signal is not GOOD else window.size <= before.size + 1.0 / before.whole
            if signal is REFUSED and (before.backed_off_at is None or before.flying[0][1] >= before.backed_off_at):
                assert window.size == max(before.size / 2.0, 1.0)
        assert 1.0 <= window.size <= max(first, most)
        assert not math.isnan(window.size)
