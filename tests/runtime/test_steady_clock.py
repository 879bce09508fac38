from datetime import UTC, datetime, timedelta

import pytest

from dashboard_app.model.clock import ManualClock
from dashboard_app.runtime.steady_clock import SteadyClock, Told

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


class Stopwatch:
    """Seconds that a test moves."""

    def __init__(self):
        self.s = 5000.0

    def __call__(self):
        return self.s


@pytest.fixture
def elapsed():
    return Stopwatch()


def error_s(clock, true):
    return (clock.now() - true).total_seconds()


@pytest.mark.parametrize("jump_s", [3600, -3600, 86_400, -86_400])
def test_a_machine_whose_clock_is_set_moves_nothing(elapsed, jump_s):
    machine = ManualClock(NOON)
    clock = SteadyClock(machine, elapsed)
    machine.tick(jump_s)
    elapsed.s += 10
    assert clock.now() == NOON + timedelta(seconds=10)


@pytest.mark.parametrize("off", [timedelta(hours=5), timedelta(hours=-5), timedelta(days=400)])
def test_what_is_told_first_counts_and_not_the_machine(elapsed, off):
    clock = SteadyClock(ManualClock(NOON + off), elapsed)
    assert clock.hear(Told(NOON, elapsed.s - 0.01, elapsed.s + 0.01)) == -off
    assert clock.now() == NOON


def test_a_slow_answer_skews_nothing_and_a_quick_one_makes_it_exact(elapsed):
    clock = SteadyClock(ManualClock(NOON), elapsed)
    true = NOON + timedelta(hours=3)
    clock.hear(Told(true, elapsed.s - 0.5, elapsed.s + 3.5))  # and then 3.5 s on its way back
    assert error_s(clock, true) == pytest.approx(-1.5)
    clock.hear(Told(true, elapsed.s - 0.001, elapsed.s + 0.001))
    assert abs(error_s(clock, true)) <= 0.0011
    for late in (1.0, 5.0, 60.0):
        before = clock.now()
        assert clock.hear(Told(true, elapsed.s, elapsed.s + late)).total_seconds() == pytest.approx(0, abs=0.0011)
        assert clock.now() - before < timedelta(milliseconds=2)


def test_a_slow_answer_moves_a_wrong_clock_as_far_as_it_proves_it_wrong(elapsed):
    clock = SteadyClock(ManualClock(NOON), elapsed)
    clock.hear(Told(NOON, elapsed.s, elapsed.s))
    true = NOON + timedelta(days=1)
    assert clock.hear(Told(true, elapsed.s - 2, elapsed.s + 2)) == timedelta(days=1, seconds=-2)
    assert abs(error_s(clock, true)) <= 2


def test_a_machine_that_stood_still_is_put_right_by_the_next_answer(elapsed):
    clock = SteadyClock(ManualClock(NOON), elapsed)
    clock.hear(Told(NOON, elapsed.s, elapsed.s))
    assert clock.hear(Told(NOON + timedelta(hours=7), elapsed.s, elapsed.s)) == timedelta(hours=7)
    assert clock.now() == NOON + timedelta(hours=7)


def test_on_a_real_machine_it_runs_on_with_its_own_stopwatch():
    clock = SteadyClock()
    before, passed = clock.now(), clock.elapsed()
    while clock.elapsed() - passed < 0.01:
        pass
    assert 0.009 <= (clock.now() - before).total_seconds() < 5
    assert before.utcoffset() == timedelta(0)
