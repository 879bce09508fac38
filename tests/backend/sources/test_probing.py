import asyncio
from contextlib import nullcontext

import pytest

from dashboard_app.backend.sources import bulk, open_probes
from dashboard_app.backend.sources.assembly import build_sources
from dashboard_app.backend.sources.lanes import Lanes
from dashboard_app.backend.sources.probes.finding import Finding
from dashboard_app.model.clock import ManualClock, SystemClock
from dashboard_app.model.errors import DeadlinePassed, Failed, InvalidInput, NotFound, ProbeFailed
from dashboard_app.model.health import Check, CheckStatus, HealthStatus
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import SourceKind, TestReport
from tests.backend.sources.conftest import MirrorVault, until
from tests.backend.sources.test_registry import settings
from tests.timing import within

OK = Finding((Check("connect", CheckStatus.PASS, 3.0, "ms"),), 3.0)
DEAD = Finding((Check("connect", CheckStatus.FAIL, None, "ms", "", "No answer within 5 s at step TCP"),), None, timed_out=True)


class FakeProbe:
    """A probe whose answers a test decides: `gate` closed means it hangs."""

    units = {"connections_used": "connections", "size_bytes": "bytes"}  # noqa: RUF012 - a constant

    def __init__(self, target, resolver, clock) -> None:
        self.target = target
        self.finding = OK
        self.found: dict[str, float] | None = {"connections_used": 3.0}
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls: list[str] = []
        self.running = self.most_at_once = 0
        self.released: list[float] = []
        self.closed = 0

    async def _work(self, call: str) -> None:
        self.calls.append(call)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1

    async def health(self, limit_s):
        await self._work("health")
        return self.finding

    async def metrics(self, limit_s):
        await self._work("metrics")
        if self.found is None:
            raise ProbeFailed("Connection refused")
        return self.found

    async def test(self, limit_s):
        return TestReport(ok=True, steps=())

    async def release(self, idle_s):
        self.released.append(idle_s)

    async def close(self):
        self.closed += 1


class World:
    """The room with fake probes and a clock that the test moves."""

    def __init__(self, parts, clock) -> None:
        self.parts, self.clock = parts, clock
        self.sources, self.probing, self.recorder = parts.sources, parts.probing, parts.recorder

    def probe(self, source_id: int) -> FakeProbe:
        return self.probing._probes._by_source[source_id]

    async def prepared(self, *source_ids: int) -> None:
        """Probe once, so that the probes exist, and let a second pass."""
        await self.probing.healths(source_ids)
        self.clock.tick(2)


@pytest.fixture
async def world(database, settings_for, monkeypatch):
    monkeypatch.setattr(open_probes, "_PROBES", {SourceKind.POSTGRESQL: FakeProbe})
    clock = ManualClock()
    parts = build_sources(database, MirrorVault(), settings_for(), clock)
    await parts.sources.open()
    for n in range(2, 6):
        await parts.sources.create(settings(f"source {n}"))
    yield World(parts, clock)
    for probe in parts.probing._probes._by_source.values():
        probe.gate.set()
    await parts.probing.close()


async def test_fifty_who_ask_at_once_are_one_probe(world):
    found = await asyncio.gather(*(world.probing.health(2) for _ in range(50)))
    assert len(set(map(id, found))) == 1
    assert world.probe(2).calls == ["health"]


async def test_a_result_younger_than_a_second_is_shared_and_an_older_one_is_not(world):
    first = await world.probing.health(2)
    world.clock.tick(0.99)
    assert await world.probing.health(2) is first
    world.clock.tick(0.02)
    assert (await world.probing.health(2)).checked_at > first.checked_at
    assert world.probe(2).calls == ["health", "health"]


async def test_changed_settings_are_probed_at_once_by_a_new_probe(world):
    await world.probing.health(2)
    old = world.probe(2)
    await world.sources.update(2, {"port": 5433})
    await world.probing.health(2)
    assert world.probe(2).target.port == 5433
    assert old.closed == 1


async def test_health_and_metrics_of_one_source_take_turns(world):
    await world.prepared(2)
    probe = world.probe(2)
    await asyncio.gather(world.probing.health(2), world.probing.metrics(2), world.probing.health(2), world.probing.metrics(2))
    assert probe.most_at_once == 1
    assert probe.calls == ["health", "health", "metrics"]


async def test_one_who_leaves_does_not_end_the_probe_of_the_others(world):
    await world.prepared(2)
    world.probe(2).gate.clear()
    leaving, staying = asyncio.create_task(world.probing.health(2)), asyncio.create_task(world.probing.health(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    world.probe(2).gate.set()
    assert (await staying).status is HealthStatus.HEALTHY


async def test_since_stays_while_the_status_stays(world):
    began = (await world.probing.health(2)).since
    world.clock.tick(60)
    assert (await world.probing.health(2)).since == began
    world.probe(2).finding = DEAD
    world.clock.tick(60)
    turned = await world.probing.health(2)
    assert (turned.status, turned.since) == (HealthStatus.UNHEALTHY, turned.checked_at)
    assert turned.message == "No answer within 5 s at step TCP"
    assert world.probing.recent(2) == "oob"
    assert world.probing.last(2) == turned


async def test_a_paused_source_is_unknown_and_left_alone(world):
    await world.prepared(2)
    await world.sources.update(2, {"enabled": False})
    health, metrics = await world.probing.health(2), await world.probing.metrics(2)
    assert (health.status, health.message) == (HealthStatus.UNKNOWN, "paused")
    assert metrics.metrics == {}
    assert world.probe(2).calls == ["health"]
    await world.probing.turn()
    assert 2 not in world.probing._probes._by_source


async def test_a_source_that_gives_no_metrics_has_none_and_leaves_no_sample(world):
    await world.prepared(2)
    world.probe(2).found = None
    waiting = world.recorder.waiting
    assert (await world.probing.metrics(2)).metrics == {}
    assert world.recorder.waiting == waiting


async def test_units_are_those_of_the_metrics_found(world):
    assert (await world.probing.metrics(2)).units == {"connections_used": "connections"}


async def test_an_unknown_source_is_not_found(world):
    for call in (world.probing.health(99), world.probing.metrics(99)):
        with pytest.raises(NotFound):
            await call


async def test_a_bulk_read_keeps_order_leaves_out_unknown_ids_and_asks_each_once(world):
    found = await world.probing.healths([3, 99, 2, 3])
    assert [health.data_source_id for health in found] == [3, 2]
    assert world.probe(3).calls == ["health"]
    assert [metrics.data_source_id for metrics in await world.probing.stats([2, 1])] == [2, 1]
    with pytest.raises(InvalidInput):
        await world.probing.healths(range(101))


async def test_a_bulk_read_waits_for_a_hanging_source_no_longer_than_its_patience_and_the_probe_goes_on(world, monkeypatch):
    monkeypatch.setattr(bulk, "BULK_PATIENCE_S", 0.1)
    await world.prepared(2, 3)
    last = world.probing.last(2)
    world.probe(2).gate.clear()
    with within(2.5):  # a hanging probe alone would take 5 s
        found = await world.probing.healths([2, 3])
    assert found[0] is last
    assert found[1].checked_at > last.checked_at
    asking = asyncio.create_task(world.probing.health(2))
    world.probe(2).gate.set()
    assert (await asking).checked_at > last.checked_at
    assert world.probe(2).calls == ["health", "health"]


async def test_a_password_that_cannot_be_read_leaves_the_source_unknown_with_the_reason(world, monkeypatch):
    def refuse(_):
        raise Failed("no key fits")

    monkeypatch.setattr(world.sources._vault, "decrypt", refuse)
    health = await world.probing.health(2)
    assert health.status is HealthStatus.UNKNOWN
    assert "enter it again" in health.message
    assert (await world.probing.metrics(2)).metrics == {}


async def test_what_was_deleted_while_it_was_probed_is_not_remembered(world):
    await world.prepared(2)
    world.probe(2).gate.clear()
    asking = asyncio.create_task(world.probing.health(2))
    await asyncio.sleep(0)
    await world.sources.delete(2)
    world.probe(2).gate.set()
    await asking
    assert world.probing.last(2) is None


async def test_a_silent_source_moves_to_the_slow_lane_and_comes_back_when_it_answers(world):
    await world.prepared(2)
    world.probe(2).finding = DEAD
    await world.probing.health(2)
    assert world.probing._silent == {2}
    world.probe(2).finding = OK
    world.clock.tick(2)
    await world.probing.health(2)
    assert world.probing._silent == set()


async def test_sources_that_hang_delay_nobody_else(world):
    ids = [2, 3, 4]
    await world.prepared(*ids, 5)
    world.probing._lanes = Lanes(fast=1, slow=1, hold_s=0.05, wait_s=5)
    for source_id in ids:
        world.probe(source_id).gate.clear()
    hanging = [asyncio.create_task(world.probing.health(source_id)) for source_id in ids]
    await asyncio.sleep(0)
    with within(1):
        assert (await world.probing.health(5)).status is HealthStatus.HEALTHY
    assert not any(task.done() for task in hanging)
    for source_id in ids:
        world.probe(source_id).gate.set()
    await asyncio.gather(*hanging)


async def test_one_that_finds_no_place_is_told_to_come_later_and_keeps_its_last_health_in_bulk(world):
    await world.prepared(2, 3)
    world.probing._lanes = Lanes(fast=1, hold_s=60, wait_s=0.05)
    world.probe(2).gate.clear()
    hanging = asyncio.create_task(world.probing.health(2))
    await asyncio.sleep(0)
    last = world.probing.last(3)
    assert await world.probing.healths([3]) == [last]
    with pytest.raises(DeadlinePassed):
        await world.probing.health(3)
    assert (await world.probing.healths([4]))[0].status is HealthStatus.UNKNOWN
    assert (await world.probing.stats([4]))[0].metrics == {}
    world.probe(2).gate.set()
    await hanging


async def test_settings_are_tried_without_being_saved(world):
    assert (await world.probing.test(settings("new"))).ok
    assert (await world.probing.test(settings("new", password=None), source_id=2)).ok
    assert (await world.probing.test(settings("new", password=None))).ok
    with pytest.raises(InvalidInput):
        await world.probing.test(settings("new", port=0))
    with pytest.raises(NotFound):
        await world.probing.test(settings("new", password=None), source_id=99)


async def test_idle_connections_are_released_and_landed_flights_forgotten(world):
    await world.prepared(2)
    await world.probing.turn()
    assert world.probe(2).released == [open_probes.IDLE_S]
    assert world.probing._flights._flights == {}


async def test_samples_reach_the_database_and_the_next_run_remembers(world, database, settings_for):
    await world.probing.health(2)
    world.clock.tick(10)
    world.probe(2).finding = DEAD
    turned = await world.probing.health(2)
    world.clock.tick(10)
    await world.probing.health(2)
    await world.probing.metrics(2)
    await world.probing.turn()
    assert world.recorder.waiting == 0
    again = build_sources(database, MirrorVault(), settings_for(), world.clock)
    await again.sources.open()
    await again.probing.turn()
    last = again.probing.last(2)
    assert (again.probing.recent(2), last.status, last.since) == ("obb", HealthStatus.UNHEALTHY, turned.since)
    assert last.message == "No answer within 5 s at step TCP"


async def test_an_old_sample_of_a_former_run_says_nothing_about_now(world, database, settings_for):
    await world.probing.health(2)
    await world.probing.turn()
    world.clock.tick(3600)
    again = build_sources(database, MirrorVault(), settings_for(), world.clock)
    await again.sources.open()
    await again.probing.turn()
    assert again.probing.last(2).status is HealthStatus.UNKNOWN
    assert again.probing.recent(2) == "o"


async def test_the_loops_run_until_they_are_cancelled(world):
    loops = [asyncio.create_task(world.probing.run()), asyncio.create_task(world.sources.run())]
    await world.probing.health(2)

    async def written() -> bool:
        await world.clock.advance(2.1)
        return world.recorder.waiting == 0

    await until(written)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    assert all(loop.cancelled() for loop in loops)


async def test_the_built_in_source_is_probed_for_real_without_the_guarded_pool(parts, database):
    health = await parts.probing.health(1)
    metrics = await parts.probing.metrics(1)
    assert health.status is HealthStatus.HEALTHY
    assert metrics.metrics["connections_max"] > 0
    assert database.engine.pool.checkedin() == 0


async def test_a_frozen_server_is_unhealthy_within_the_limit_and_others_answer_meanwhile(parts, postgres, fresh_database, listener):
    async def refuse(reader, writer):
        writer.transport.abort()

    port = await listener(refuse)
    other = await parts.sources.create(settings("other", host="127.0.0.1", port=port, password=Secret("x")))
    await parts.probing.health(1)
    await asyncio.sleep(0)
    with postgres.frozen():
        parts.probing._flights._flights.clear()
        frozen = asyncio.create_task(parts.probing.health(1))
        with within(2.5):
            with within(1):
                other_health = await parts.probing.health(other.id)
            health = await frozen
    assert other_health.message == "The server closed the connection"
    assert (health.status, health.message) == (HealthStatus.UNHEALTHY, "No answer within 2 s at step sign in")


async def test_samples_wait_while_the_database_is_away_and_are_written_when_it_is_back(parts, postgres, database):
    await parts.probing.health(1)
    postgres.stop()
    await parts.recorder.flush()
    await parts.recorder.forget()
    assert parts.recorder.waiting == 1
    postgres.start()
    await parts.recorder.flush()
    assert parts.recorder.waiting == 0


async def test_the_label_names_the_checkouts(database, settings_for):
    labelled = []

    def label():
        labelled.append(True)
        return nullcontext()

    parts = build_sources(database, MirrorVault(), settings_for(), SystemClock(), label)
    await parts.sources.open()
    await parts.probing.health(1)
    await parts.probing.turn()
    assert labelled
    await parts.probing.close()
