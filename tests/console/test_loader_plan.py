"""The batched plan against a stub over real sockets, at the default settings."""

import itertools
from pathlib import Path
from types import SimpleNamespace

from tests.console.running import KeptStates, console_on, lateness, until
from tests.console.stub_backend import Seen, StubBackend, running


def assert_planned(starts: list[float], size: int, stagger_s: float, delay_s: float, error_s: float) -> None:
    """A start that was seen late makes the next gap look shorter, by as much as the loop was late."""
    for number, (before, after) in enumerate(itertools.pairwise(starts), start=1):
        least = delay_s if number % size == 0 else stagger_s
        assert after - before >= least - error_s, f"start {number} came {after - before:.3f} s after the one before (± {error_s:.3f} s)"


def at(seen: list[Seen]) -> list[float]:
    return [each.at for each in seen]


async def test_twenty_sources_are_read_by_the_plan_and_fifty_viewers_cost_what_one_costs(tmp_path: Path) -> None:
    async with running(StubBackend()) as alone, running(StubBackend()) as crowded, lateness() as late:
        async with console_on(alone.url, tmp_path / "a") as one, console_on(crowded.url, tmp_path / "b") as many:
            connected = SimpleNamespace(
                event_namespace=SimpleNamespace(token_to_sid={f"t{n}": "sid" for n in range(50)}), state_manager=KeptStates()
            )
            one.viewers.bind(connected, {})
            many.viewers.bind(connected, {})
            one.viewers.watch("t0", "sources")
            for number in range(50):
                many.viewers.watch(f"t{number}", "sources")
            await until(lambda: all(lane.last_round for console in (one, many) for lane in console.loader.lanes), within_s=30)
            assert one.loader.progress().lanes["health"].done == 20
            assert len(one.snapshot.metrics) == 20
        for stub in (alone, crowded):
            health, stats = stub.of("health"), stub.of("stats")
            assert sorted(each.source_id for each in health) == sorted(each.source_id for each in stats) == list(range(1, 21))
            assert stub.peak["health"] <= 3
            assert stub.peak["stats"] <= 2
            assert_planned(at(health), 3, 0.19, 0.95, late.worst_s)
            assert_planned(at(stats), 2, 0.29, 1.45, late.worst_s)


async def test_two_refreshes_at_once_are_one_round_within_the_limits(tmp_path: Path) -> None:
    fast = {
        "health_stagger_ms": 20,
        "health_batch_delay_ms": 50,
        "metrics_stagger_ms": 20,
        "metrics_batch_delay_ms": 50,
        "queue_interval_ms": 0,
    }
    async with running(StubBackend(count=6, delay_s=0.01)) as stub, console_on(stub.url, tmp_path, **fast) as console:
        await until(lambda: all(lane.last_round for lane in console.loader.lanes))
        before = len(stub.of("health"))
        joined = [console.loader.refresh() for _ in range(20)]
        assert joined == [False] + [True] * 19
        await until(lambda: not any(lane.is_running for lane in console.loader.lanes))
        assert len(stub.of("health")) == before + 6
        assert stub.peak["health"] <= 3
