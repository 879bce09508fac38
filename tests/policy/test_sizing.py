import heapq
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard_app.policy.sizing import ENOUGH_WAIT_S, LEAST_CHECKOUTS, Demand, most_at_once, percentile, sizing, waits


def simulated(work: list[Demand], connections: int) -> list[float]:
    """A discrete-event simulation, written without the recursion under test: a clock, a list of events, a queue, a count of free places."""
    events = [(demand.arrived, 1, number) for number, demand in enumerate(work)]
    heapq.heapify(events)
    queue: list[int] = []
    free, waited = connections, [math.nan] * len(work)
    while events:
        now, kind, number = heapq.heappop(events)
        if kind == 0:
            free += 1
        else:
            queue.append(number)
        while free and queue:
            first = queue.pop(0)
            free -= 1
            waited[first] = now - work[first].arrived
            heapq.heappush(events, (now + work[first].held_s, 0, first))
    return waited


def poisson(seed: int, per_s: float, held_s: float, count: int) -> list[Demand]:
    """Arrivals at random, holds of exponential length."""
    dice, now, work = random.Random(seed), 0.0, []  # noqa: S311 - a load, no secret
    for _ in range(count):
        now += dice.expovariate(per_s)
        work.append(Demand(now, dice.expovariate(1 / held_s)))
    return work


def test_two_connections_serve_three_in_the_order_they_came() -> None:
    # at 0 and 1 both get one; the one of 2 waits until 10, the one of 3 until 11, the one of 30 not at all
    work = [Demand(0, 10), Demand(1, 10), Demand(2, 1), Demand(3, 1), Demand(30, 1)]
    assert waits(work, 2) == [0, 0, 8, 8, 0]


pieces = st.builds(Demand, st.floats(0, 100, allow_nan=False), st.floats(0.001, 20, allow_nan=False))


@settings(deadline=None)
@given(st.lists(pieces, max_size=60), st.integers(1, 8))
def test_the_replay_is_what_a_discrete_event_simulation_does(work: list[Demand], connections: int) -> None:
    ordered = sorted(work, key=lambda demand: demand.arrived)
    assert waits(ordered, connections) == pytest.approx(simulated(ordered, connections), abs=1e-9)


@settings(deadline=None)
@given(st.lists(pieces, min_size=1, max_size=60))
def test_with_as_many_as_were_ever_wanted_at_once_nobody_waits_and_with_one_less_somebody_does(work: list[Demand]) -> None:
    ordered = sorted(work, key=lambda demand: demand.arrived)
    most = most_at_once(ordered)
    assert max(waits(ordered, most)) <= 1e-9
    if most > 1:
        assert max(waits(ordered, most - 1)) > 0


@settings(max_examples=30, deadline=None)
@given(st.lists(pieces, min_size=LEAST_CHECKOUTS, max_size=LEAST_CHECKOUTS + 30))
def test_more_connections_never_wait_longer(work: list[Demand]) -> None:
    told = sizing(work)
    for fewer, more in zip(told.curve, told.curve[1:], strict=False):
        assert more.wait_s_p99 <= fewer.wait_s_p99 + 1e-9
        assert more.waited_percent <= fewer.waited_percent


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_curve_and_the_smallest_enough_agree_with_the_simulation(seed: int) -> None:
    work = poisson(seed, per_s=200, held_s=0.1, count=5000)  # 20 busy on average
    told = sizing(work)
    assert told.is_judged
    for size in told.curve:
        ordered = sorted(simulated(work, size.connections))
        assert size.wait_s_p99 == pytest.approx(percentile(ordered, 99), abs=1e-9)
    assert told.enough is not None
    assert percentile(sorted(simulated(work, told.enough)), 99) < ENOUGH_WAIT_S <= percentile(sorted(simulated(work, told.enough - 1)), 99)


def test_a_long_run_has_the_share_of_waiters_that_erlang_c_says() -> None:
    servers, offered = 8, 6.0  # 60 a second for 100 ms each
    inverse = sum(offered**k / math.factorial(k) for k in range(servers))
    tail = offered**servers / math.factorial(servers) * servers / (servers - offered)
    size = next(size for size in sizing(poisson(5, 60, 0.1, 40_000)).curve if size.connections == servers)
    assert size.waited_percent == pytest.approx(100 * tail / (inverse + tail), rel=0.1)


def test_work_that_no_pool_of_100_serves_in_time_has_no_size_that_is_enough() -> None:
    told = sizing([Demand(0.0, 1.0)] * 300)  # 300 at one moment, each for a second
    assert (told.enough, told.most_at_once, told.curve[-1].connections) == (None, 300, 100)


def test_light_work_needs_the_least() -> None:
    told = sizing([Demand(float(second), 0.01) for second in range(300)])
    assert (told.enough, told.most_at_once, told.span_s, len(told.curve)) == (5, 1, 299.0, 1)
    assert told.curve[0].waited_percent == 0


@pytest.mark.parametrize("count", [0, 1, LEAST_CHECKOUTS - 1])
def test_too_little_is_not_judged(count: int) -> None:
    told = sizing([Demand(float(second), 60.0) for second in range(count)])
    assert (told.is_judged, told.enough, told.curve, told.checkouts) == (False, None, (), count)


@pytest.mark.parametrize(("percent", "told"), [(50, 2.0), (95, 4.0), (99, 4.0)])
def test_percentiles_are_by_nearest_rank(percent: int, told: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], percent) == told
    assert percentile([], percent) == 0
