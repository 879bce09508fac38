"""Single flight, retries, the bell, and the supervisor."""

import asyncio
import itertools
import logging

import pytest

from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed
from dashboard_app.runtime.retry import Backoff, RetryBudget, with_retries
from dashboard_app.runtime.single_flight import SingleFlight
from dashboard_app.runtime.supervisor import Supervisor
from dashboard_app.runtime.wake import Wake


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_askers_of_one_key_share_one_call_and_its_error() -> None:
    flights: SingleFlight[int] = SingleFlight()
    calls, gate = [], asyncio.Event()

    async def call() -> int:
        calls.append(1)
        await gate.wait()
        raise BackendFailed

    askers = [asyncio.create_task(flights.run("k", call)) for _ in range(5)]
    await turns()
    assert flights.is_under_way("k")
    gate.set()
    outcomes = await asyncio.gather(*askers, return_exceptions=True)
    assert len(calls) == 1
    assert all(isinstance(outcome, BackendFailed) for outcome in outcomes)
    assert not flights.is_under_way("k")


async def test_the_call_ends_when_the_last_asker_has_left_and_not_before() -> None:
    flights: SingleFlight[int] = SingleFlight()
    cancelled = asyncio.Event()

    async def call() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return 1

    first, second = (asyncio.create_task(flights.run("k", call)) for _ in range(2))
    await turns()
    first.cancel()
    await turns()
    assert not cancelled.is_set()
    second.cancel()
    await turns()
    assert cancelled.is_set()
    assert not flights.is_under_way("k")


@pytest.mark.parametrize(("failures", "calls", "is_good"), [(0, 1, True), (1, 2, True), (2, 3, True), (3, 3, False)])
async def test_up_to_two_retries_a_delay_apart(failures: int, calls: int, is_good: bool) -> None:
    clock, made = ManualClock(), []

    async def call() -> str:
        made.append(clock.monotonic() - 1000)
        if len(made) <= failures:
            raise BackendFailed
        return "good"

    task = asyncio.create_task(
        with_retries(call, retries=2, delay_s=lambda: 3.0, is_retryable=lambda error: isinstance(error, BackendFailed), sleep=clock.sleep)
    )
    await clock.advance(60)
    outcome = (await asyncio.gather(task, return_exceptions=True))[0]
    assert (outcome == "good") is is_good
    assert made == [0, 3, 6][:calls]


async def test_what_is_not_retryable_is_raised_at_once() -> None:
    async def call() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await with_retries(call, retries=2, delay_s=lambda: 3.0, is_retryable=lambda _: False, sleep=asyncio.sleep)


async def _tried(failure: Exception, **rules: object) -> list[float]:
    """The moments at which a call that always fails with `failure` was made."""
    clock, made = ManualClock(), []

    async def call() -> None:
        made.append(round(clock.monotonic() - 1000, 3))
        raise failure

    settings = {"retries": 5, "delay_s": lambda: 3.0, "is_retryable": lambda _: True} | rules
    task = asyncio.create_task(with_retries(call, sleep=clock.sleep, **settings))  # type: ignore[arg-type]
    await clock.advance(600)
    assert (await asyncio.gather(task, return_exceptions=True))[0] is failure
    return made


async def test_a_retry_after_is_obeyed_and_one_beyond_a_minute_ends_the_retries() -> None:
    assert await _tried(BackendFailed(status=429, retry_after_s=20), retries=2) == [0, 20, 40]
    assert await _tried(BackendFailed(status=429, retry_after_s=1), retries=2) == [0, 3, 6]
    assert await _tried(BackendFailed(status=503, retry_after_s=61), retries=2) == [0]


async def test_exponential_retries_have_full_jitter() -> None:
    first, second, third = [], [], []
    for _ in range(60):
        made = await _tried(BackendFailed(status=503), retries=3, delay_s=Backoff(first_s=1.0, most_s=3.0))
        gaps = [later - earlier for earlier, later in itertools.pairwise(made)]
        for kept, gap in zip((first, second, third), gaps, strict=True):
            kept.append(gap)
    assert max(first) <= 1.001
    assert 1.0 < max(second) <= 2.001
    assert 2.0 < max(third) <= 3.001
    assert min(first) < 0.3
    assert min(third) < 0.9  # full jitter begins at nothing


async def test_retries_add_a_tenth_of_the_requests_at_most_once_the_reserve_is_spent() -> None:
    clock, made = ManualClock(), []
    budget = RetryBudget(clock, trickle_s=1e12)

    async def call() -> None:
        made.append(1)
        raise BackendFailed

    async def instantly(_: float) -> None:
        return None

    for _ in range(1000):
        with pytest.raises(BackendFailed):
            await with_retries(call, retries=2, delay_s=lambda: 0.0, is_retryable=lambda _: True, sleep=instantly, budget=budget)
    assert 1000 < len(made) <= 1000 + 100 + 10
    assert budget.refused_total > 800


async def test_an_empty_budget_fills_by_time_too_and_never_beyond_its_reserve() -> None:
    clock = ManualClock()
    budget = RetryBudget(clock, most=2.0, trickle_s=30.0)
    assert [budget.take() for _ in range(3)] == [True, True, False]
    clock.tick(30)
    assert [budget.take() for _ in range(2)] == [True, False]
    clock.tick(3600)
    assert [budget.take() for _ in range(3)] == [True, True, False]


async def test_a_bell_wakes_at_a_ring_or_at_its_moment_and_remembers_one_ring() -> None:
    clock = ManualClock()
    bell = Wake(clock)
    bell.ring()
    await bell.wait()
    timed = asyncio.create_task(bell.wait(clock.monotonic() + 5))
    await clock.advance(4.9)
    assert not timed.done()
    await clock.advance(0.2)
    assert timed.done()
    rung = asyncio.create_task(bell.wait(clock.monotonic() + 5))
    await turns()
    bell.ring()
    await turns()
    assert rung.done()
    bell.ring()
    await bell.wait(clock.monotonic() + 5)


async def test_a_broken_loop_starts_again_after_a_growing_pause_and_is_named_meanwhile(caplog: pytest.LogCaptureFixture) -> None:
    clock, runs = ManualClock(), []

    async def run() -> None:
        runs.append(clock.monotonic() - 1000)
        if len(runs) < 4:
            raise RuntimeError("broken")
        await asyncio.Event().wait()

    supervisor = Supervisor(clock)
    supervisor.add("lane", run)
    supervisor.add_check("database", lambda: "not reachable")
    with caplog.at_level(logging.CRITICAL):
        supervisor.start()
        await turns()
        assert supervisor.reasons() == ["lane: RuntimeError", "database: not reachable"]
        await clock.advance(30)
    assert runs == [0, 0.5, 1.5, 3.5]
    assert supervisor.reasons() == ["database: not reachable"]
    assert supervisor.restarts() == {"lane": 3}
    await supervisor.stop()


async def test_loops_stop_in_reverse_order_and_one_that_returns_is_done() -> None:
    stopped: list[str] = []

    def loop(name: str):
        async def run() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append(name)

        return run

    async def short() -> None:
        pass

    supervisor = Supervisor(ManualClock())
    supervisor.add("first", loop("first"))
    supervisor.add("short", short)
    supervisor.add("second", loop("second"))
    supervisor.start()
    await turns()
    await supervisor.stop()
    assert stopped == ["second", "first"]
    await supervisor.stop()


async def test_a_loop_that_does_not_end_is_said_and_left(caplog: pytest.LogCaptureFixture) -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await release.wait()

    supervisor = Supervisor(ManualClock(), stop_timeout_s=0.01)
    supervisor.add("stubborn", stubborn)
    supervisor.start()
    await turns()
    await supervisor.stop()
    assert "did not end" in caplog.text
    release.set()
    await turns()
