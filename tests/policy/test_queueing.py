"""Who goes next: urgent first, and nobody starves."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard_app.policy.queueing import Head, aged, is_by_age, next_of

STEP_S = 10.0


@pytest.mark.parametrize(("priority", "waited", "after"), [(2, 9.9, 2), (2, 10, 1), (2, 20, 0), (2, 99, 0), (1, 10, 0), (0, 50, 0)])
def test_each_step_waited_is_one_priority_more(priority: int, waited: float, after: int) -> None:
    assert aged(Head(priority, 100.0), 100.0 + waited, STEP_S) == after


def test_an_aged_waiter_goes_before_a_newer_urgent_one_but_never_twice_in_a_row() -> None:
    click, background = Head(0, 29.0), Head(2, 0.0)
    assert next_of([click, background], 15.0 + 14.0, STEP_S, may_age=True) is background
    assert is_by_age(background, [click, background])
    assert next_of([click, background], 30.0, STEP_S, may_age=False) is click
    assert not is_by_age(click, [click, background])


def test_before_a_step_has_passed_priority_alone_decides() -> None:
    heads = [Head(0, 9.0), Head(1, 5.0), Head(2, 0.0)]
    assert next_of(heads, 9.9, STEP_S, may_age=True) is heads[0]


@settings(deadline=None)
@given(st.integers(0, 2), st.lists(st.integers(0, 2), min_size=400, max_size=400))
def test_with_newcomers_at_every_start_each_waiter_starts_in_bounded_time(priority: int, newcomers: list[int]) -> None:
    """One start a second, one newcomer a second. A waiter of the lowest priority has two starts of three aged ones before it at most."""
    waiting = [(priority, 0.0)]
    was_aged = False
    for second, newcomer in enumerate(newcomers, start=1):
        waiting.append((newcomer, float(second)))
        heads = [Head(each, min(since for one, since in waiting if one == each)) for each in {one for one, _ in waiting}]
        chosen = next_of(heads, float(second), STEP_S, may_age=not was_aged)
        was_aged = is_by_age(chosen, heads)
        waiting.remove((chosen.priority, chosen.since))
        if (chosen.priority, chosen.since) == (priority, 0.0):
            assert second <= 2 * STEP_S + 2
            return
    raise AssertionError("it never started")
