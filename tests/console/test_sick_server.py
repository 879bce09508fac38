"""Two minutes with a server that is sick in each of its ways, in virtual time, and a crowd that comes, goes and presses Refresh."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.simulation.virtual_time import run_virtually
from dashboard_app.console.console import Console
from dashboard_app.model.breaker import BreakerState
from tests.console.running import KeptStates
from tests.console.virtually import SickServer, a_console

PACES = pytest.mark.parametrize("pace", ["batched", "adaptive"])
FAULTS = ["5xx", "slow", "garbage", "redirect", "flapping"]
SICK_S, WELL_AGAIN_S, BANNER_S = 120, 75, 15


def assert_true_ages(console: Console, server: SickServer) -> None:
    """What is shown is as old as the last good answer: neither fresh as stale nor stale as fresh."""
    for kind, readings in (("health", console.snapshot.health), ("stats", console.snapshot.metrics)):
        for source_id, reading in readings.items():
            answered = server.good[kind, source_id]
            assert reading.received_mono <= answered + 0.06, f"{kind} of {source_id} looks fresher than it is"
            assert reading.received_mono >= answered - 0.01, f"{kind} of {source_id} looks older than it is"


def run(tmp_path: Path, work: Callable[[SickServer, Console], Coroutine[Any, Any, None]], pace: str) -> None:
    async def whole() -> None:
        server = SickServer(20, offers_bulk="bulk" in pace)
        async with a_console(server, tmp_path, pace=pace.partition(",")[0]) as console:
            await work(server, console)

    run_virtually(whole())


@pytest.mark.parametrize("pace", ["batched", "adaptive", "adaptive, bulk"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_sick_server_is_left_alone_said_so_with_true_ages_and_read_again_when_it_is_well(tmp_path: Path, fault: str, pace: str) -> None:
    async def work(server: SickServer, console: Console) -> None:
        await asyncio.sleep(60)
        assert console.fallback() is None
        server.fault, began = fault, asyncio.get_running_loop().time()
        console.loader.refresh()
        for second in range(SICK_S):
            await asyncio.sleep(1.0)
            assert_true_ages(console, server)
            assert second < BANNER_S or fault == "flapping" or console.fallback() is not None
        sick = [at for at in server.ordinary() if at >= began]
        tries = sum(move.target is BreakerState.HALF_OPEN for move in console.breakers["api"].transitions())
        assert not server.ordinary(BreakerState.OPEN)
        assert len(server.ordinary(BreakerState.HALF_OPEN)) <= max(tries, 1) * (1 if fault != "flapping" else 3)
        assert fault == "flapping" or len(sick) <= 40
        server.fault = ""
        await asyncio.sleep(WELL_AGAIN_S)
        assert console.fallback() is None
        console.loader.refresh()
        await asyncio.sleep(60)
        assert_true_ages(console, server)
        ages = console.snapshot.ages_s()
        assert ages is not None
        assert ages[1] < 61

    run(tmp_path, work, pace=pace)


@PACES
def test_two_hundred_presses_of_refresh_by_twenty_sessions_are_one_round_after_another(tmp_path: Path, pace: str) -> None:
    async def work(server: SickServer, console: Console) -> None:
        await asyncio.sleep(60)
        server.seen.clear()
        server.peak.clear()
        joined = []

        async def session(number: int) -> None:
            await asyncio.sleep(0.025 * number)
            for _ in range(10):
                joined.append(console.loader.refresh())
                await asyncio.sleep(1.0)

        await asyncio.gather(*(session(number) for number in range(20)))
        await asyncio.sleep(60)
        assert not any(lane.is_running for lane in console.loader.lanes)
        assert len(joined) == 200
        reads = {what: sum(seen == what for seen, _, _ in server.seen) for what in ("health", "stats")}
        assert reads["health"] % 20 == 0 < reads["health"]
        assert reads["stats"] % 20 == 0 < reads["stats"]
        if pace == "batched":
            assert reads["health"] <= 40
            assert reads["stats"] == 20
            assert server.peak["health"] <= 3
            assert server.peak["stats"] <= 2
        else:
            assert server.peak["readings"] <= 10
            assert joined.count(True) > 100

    run(tmp_path, work, pace=pace)


@PACES
def test_fifty_sessions_that_come_and_go_cost_the_server_what_one_costs_and_leave_nothing(tmp_path: Path, pace: str) -> None:
    counts: dict[int, dict[str, int]] = {}

    def crowd(sessions: int) -> Callable[[SickServer, Console], Coroutine[Any, Any, None]]:
        async def work(server: SickServer, console: Console) -> None:
            connected: dict[str, str] = {"always": "s"}
            console.viewers.bind(SimpleNamespace(event_namespace=SimpleNamespace(token_to_sid=connected), state_manager=KeptStates()), {})
            console.viewers.watch("always", "sources")
            pages = asyncio.create_task(console.viewers.run())
            await asyncio.sleep(60)
            tasks_before = len(asyncio.all_tasks())
            chance = random.Random(7)  # noqa: S311 - the same coming and going each time

            async def session(number: int) -> None:
                for visit in range(30):
                    token = f"{number}/{visit}"
                    connected[token] = "s"
                    console.viewers.watch(token, "sources", {"visible": [1 + (number + visit) % 20]})
                    await asyncio.sleep(chance.uniform(0.0, 9.0))
                    if chance.random() < 0.5:
                        console.viewers.leave(token)
                    del connected[token]  # the others are found gone
                    await asyncio.sleep(chance.uniform(0.0, 1.0))

            await asyncio.gather(asyncio.sleep(300), *(session(number) for number in range(sessions - 1)))
            await asyncio.sleep(5)
            counts[sessions] = {
                what: sum(seen == what for seen, at, _ in server.seen if at < 1360) for what in ("health", "stats", "list", "status")
            }
            assert console.viewers.count == 1
            assert len(asyncio.all_tasks()) <= tasks_before + 4
            pages.cancel()

        return work

    for sessions in (1, 50):
        run(tmp_path, crowd(sessions), pace=pace)
    assert counts[1]["health"] == counts[50]["health"] > 0
    assert counts[1]["stats"] == counts[50]["stats"] > 0
    assert abs(counts[1]["list"] - counts[50]["list"]) <= 2
    assert abs(counts[1]["status"] - counts[50]["status"]) <= 2
