"""The loader's pace: switched while it runs, bounded by what the server tells of itself, said in words; bulk reads kept truthfully."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dashboard_app.console.api.routes import build_routes
from dashboard_app.console.client.reading import ReadHow
from dashboard_app.console.console import Console
from dashboard_app.console.lane_words import LaneProgress
from dashboard_app.console.loader import usage_of
from dashboard_app.console.readings import Readings
from dashboard_app.console.rows.lanes import lane_row
from dashboard_app.console.snapshot import Snapshot
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, NotFound
from dashboard_app.policy.window_control import Usage
from dashboard_app.settings import Settings
from tests.console.running import console_on, until
from tests.console.stub_backend import StubBackend, running


class Api:
    """Answers bulk reads with what it is told, after a while."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.status, self.items, self.takes_s = 200, list[Any](), 0.0
        self.queries: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.queries.append(f"{scope['path']}?{scope['query_string'].decode()}")
        if self.takes_s:
            await self.clock.sleep(self.takes_s)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps({"items": self.items}).encode()})


def health(source_id: int, status: str = "healthy", at: str | None = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    return {"data_source_id": source_id, "status": status, "checked_at": at}


def stats(source_id: int, **metrics: float) -> dict[str, Any]:
    return {"data_source_id": source_id, "collected_at": "2026-01-01T00:00:00Z", "metrics": metrics}


class Bench:
    def __init__(self, tmp_path: Path) -> None:
        self.clock = ManualClock()
        self.api = Api(self.clock)
        self.console = Console(Settings(data_dir=tmp_path), self.clock, app=self.api)
        self.readings = Readings(self.console.backend, self.console.snapshot, self.clock)

    async def healths(self, *ids: int) -> frozenset[int]:
        return await self._soon(self.readings.healths(ids, ReadHow(paced=True)))

    async def numbers(self, *ids: int) -> frozenset[int]:
        return await self._soon(self.readings.many_metrics(ids, ReadHow(paced=True)))

    async def _soon(self, reading: Any) -> frozenset[int]:
        task = asyncio.ensure_future(reading)
        while not task.done():
            await self.clock.advance(0.5)
        return await task


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.console.queue.close()
    await made.console.backend.close()


async def test_a_bulk_read_is_one_request_and_what_cannot_be_read_of_it_is_left_to_be_read_alone(bench: Bench) -> None:
    bench.api.items = [health(1), {"status": "healthy"}, health(3, "asleep"), health(4, "unhealthy"), health(99)]
    assert await bench.healths(1, 2, 3, 4) == {1, 4}
    assert bench.api.queries == ["/scan/data-sources/health?ids=1%2C2%2C3%2C4"]
    assert set(bench.console.snapshot.health) == {1, 4}


async def test_of_a_slow_bulk_read_the_bad_news_is_kept_and_asked_again(bench: Bench) -> None:
    bench.api.items, bench.api.takes_s = [health(1), health(2, "unhealthy")], 2.5
    assert await bench.healths(1, 2) == {1}
    assert set(bench.console.snapshot.health) == {1, 2}


async def test_a_health_that_was_known_before_is_no_news_and_does_not_look_fresh(bench: Bench) -> None:
    bench.api.items = [health(1), health(2, at=None)]
    assert await bench.healths(1, 2) == {1}
    await bench.clock.advance(1.0)
    assert await bench.healths(1, 2) == {1}
    await bench.clock.advance(60.0)
    assert await bench.healths(1, 2) == frozenset()
    assert bench.console.snapshot.health[1].age_s(bench.clock.monotonic()) >= 60.0
    bench.api.items = [health(1, at="2026-01-01T00:01:00Z")]
    assert await bench.healths(1, 2) == {1}
    assert bench.console.snapshot.health[1].age_s(bench.clock.monotonic()) < 1.0


async def test_of_a_long_bulk_read_of_numbers_those_without_any_are_asked_again(bench: Bench) -> None:
    bench.api.items = [stats(1, a=1.0), stats(2)]
    assert await bench.numbers(1, 2) == {1, 2}
    bench.api.takes_s = 1.5
    assert await bench.numbers(1, 2) == {1}
    assert bench.api.queries[0] == "/scan/data-sources/stats?ids=1%2C2"


async def test_a_server_without_bulk_reads_says_so_and_garbage_is_a_failure(bench: Bench) -> None:
    bench.api.status = 404
    with pytest.raises(NotFound):
        await bench.healths(1, 2)
    bench.api.status, bench.api.items = 200, {"no": "list"}  # type: ignore[assignment]
    with pytest.raises(BackendFailed):
        await bench.healths(1, 2)


def test_a_lane_says_how_many_go_at_once_unless_it_has_worse_to_say() -> None:
    assert lane_row(LaneProgress(5, 20, 7, "", 0, 7)).note == "As fast as the server allows: 7 at once"
    assert lane_row(LaneProgress(5, 20, 7, "2 in the slow lane", 2, 7)).note == "2 in the slow lane"
    assert lane_row(LaneProgress(20, 20, 0, "", 0, 7)).note == "As fast as the server allows"
    assert lane_row(LaneProgress(5, 20, 3, "")).note == ""


def told(clock: ManualClock, pool: object) -> Snapshot:
    snapshot = Snapshot(clock)
    snapshot.set_pool({"pool": pool})
    return snapshot


@pytest.mark.parametrize(
    "pool", [None, {}, {"checked_out": 3}, {"checked_out": 3, "capacity": "many"}, {"checked_out": -1, "capacity": True}]
)
def test_a_server_that_does_not_say_how_large_its_pool_is_leaves_the_last_word(pool: object) -> None:
    snapshot, last = told(ManualClock(), pool), Usage(1, 30, 0)
    assert usage_of(snapshot, 2, None) is None
    assert usage_of(snapshot, 2, last) is last


async def test_usage_is_the_newest_of_status_and_config_with_what_was_under_way_then(tmp_path: Path) -> None:
    async with running(StubBackend(count=2)) as stub, console_on(stub.url, tmp_path, pace="adaptive", throttle_poll_s=1) as console:
        await until(lambda: console.snapshot.pool and console.snapshot.throttling)
        assert console.loader.places() == 10
        stub.used = 20
        await until(lambda: console.loader.places() <= 3)
        stub.used = 29
        await until(lambda: console.loader.places() == 1)
        assert console.queue.paced.places == 1


async def test_the_pace_is_switched_while_it_runs_and_the_api_shows_it(tmp_path: Path) -> None:
    async with running(StubBackend(count=40)) as stub, console_on(stub.url, tmp_path) as console:
        app = FastAPI()
        app.include_router(build_routes(console))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as http:
            await until(lambda: len(console.snapshot.health) >= 3)
            assert (await http.get("/api/v1/loader")).json()["pace"] == "batched"
            assert len(console.snapshot.health) < 40
            console.loader.set_pace("adaptive")
            assert (await http.get("/api/v1/loader")).json()["pace"] == console.loader.pace == "adaptive"
            took_s = await until(lambda: len(console.snapshot.health) == len(console.snapshot.metrics) == 40)
        assert took_s < 8  # the plan needs 19 s for health and 35 s for metrics
        assert stub.peak["readings"] <= 10


async def test_a_stub_that_offers_bulk_reads_gets_one_request_for_all(tmp_path: Path) -> None:
    async with running(StubBackend(count=40, offers_bulk=True)) as stub, console_on(stub.url, tmp_path, pace="adaptive") as console:
        await until(lambda: len(console.snapshot.health) == len(console.snapshot.metrics) == 40)
        assert (len(stub.of("healths")), len(stub.of("statses"))) == (1, 1)
        assert not stub.of("health")
        assert not stub.of("stats")


async def test_a_server_that_refuses_bulk_reads_is_read_one_by_one_and_the_breaker_stays_closed(tmp_path: Path) -> None:
    async with running(StubBackend(count=20)) as stub, console_on(stub.url, tmp_path, pace="adaptive") as console:
        await until(lambda: all(lane.last_round for lane in console.loader.lanes))
        console.loader.refresh()
        await until(lambda: not any(lane.is_running for lane in console.loader.lanes))
        assert len(stub.of("healths")) == len(stub.of("statses")) == 1
        assert len(stub.of("health")) == 40
        assert console.breakers["api"].reading().failure_count == 0


async def test_a_level_above_normal_is_said_with_what_it_means_whatever_the_pace(tmp_path: Path) -> None:
    stub = StubBackend(count=5, level="AGGRESSIVE")
    async with running(stub), console_on(stub.url, tmp_path, pace="adaptive", throttle_poll_s=1) as console:
        await until(lambda: console.loader.progress().lanes["health"].reason.startswith("slowed"))
        assert console.loader.progress().lanes["health"].reason == "slowed by AGGRESSIVE: 3 at once, 1 s apart"
