"""The figures that the adaptive pace is held to, by the simulator of `benchmarks/pace`: the real console on virtual time."""

import pytest

from benchmarks.pace import BULK_TIMES, CLOSED_FORM_S, SOURCES, THREE_TIMES, Measured, simulated


@pytest.fixture(scope="module")
def plan() -> Measured:
    return simulated("plan", "0 held")


def test_the_plan_takes_its_closed_form_with_one_request_at_a_time(plan: Measured) -> None:
    assert plan.seconds == pytest.approx(CLOSED_FORM_S, rel=0.005)
    assert (plan.figures.requests, plan.figures.peak_own, plan.figures.refused) == (SOURCES, 1, 0)


@pytest.mark.parametrize("held", ["0 held", "10 held"])
def test_three_at_once_without_idle_waits_are_twenty_five_times_faster_than_the_plan(plan: Measured, held: str) -> None:
    measured = simulated("adaptive, 3 at once", held)
    assert plan.seconds / measured.seconds >= THREE_TIMES
    assert measured.figures.peak_own <= 3
    assert (measured.failed, measured.figures.refused) == (0, 0)


@pytest.mark.parametrize("held", ["0 held", "10 held", "20 held", "0→20→10"])
def test_a_thousand_sources_are_read_two_hundred_times_faster_than_by_the_plan_without_a_refusal(plan: Measured, held: str) -> None:
    measured = simulated("adaptive, bulk", held)
    assert plan.seconds / measured.seconds >= BULK_TIMES
    assert measured.figures.requests == SOURCES / 100
    assert (measured.failed, measured.figures.refused, measured.figures.waited) == (0, 0, 0)


@pytest.mark.parametrize("held", ["0→20→10", "0→22→8"])
def test_others_that_come_while_single_reads_run_cost_no_refusal(held: str) -> None:
    measured = simulated("adaptive", held)
    assert measured.figures.peak_own <= 10
    assert (measured.failed, measured.figures.refused) == (0, 0)
