"""The fleet at sea, on a real PostgreSQL: each source is in the state it was planned for."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from dashboard_app.demo.fleet import Fleet
from dashboard_app.demo.plan import FLEET, REALMS, Flaw
from dashboard_app.demo.proxy import Mode
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.health import HealthStatus
from tests.contract.conftest import Served, served

NAMES = [planned.name for planned in FLEET]


@pytest.fixture
async def harbour(fresh_database, settings_for, postgres) -> AsyncIterator[Served]:
    """An API on real services; the demo's databases and roles are gone afterwards."""
    async with served(fresh_database, settings_for(probe_timeout_s=2.0)) as made:
        yield made
    for realm in REALMS:
        postgres.drop_database(f"demo_{realm}")
        for role in (f"demo_{realm}", f"demo_{realm}_reader"):
            postgres.execute(f'DROP ROLE IF EXISTS "{role}"')


async def sail(harbour: Served) -> tuple[Fleet, asyncio.Task[None]]:
    """A fleet that has registered every source."""
    fleet = Fleet(harbour.database.address, harbour.parts.sources, SystemClock())
    task = asyncio.create_task(fleet.run())
    async with asyncio.timeout(30):
        while not task.done() and not fleet.is_at_sea:  # noqa: ASYNC110 - several steps of another task
            await asyncio.sleep(0.02)
    assert not task.done()
    return fleet, task


async def land(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task}, timeout=10)


def test_the_plan_has_24_sources_of_every_sort():
    assert len(set(NAMES)) == len(FLEET) == 24
    assert {planned.weather.mode for planned in FLEET} == set(Mode)
    assert {planned.flaw for planned in FLEET} == set(Flaw)
    assert any(planned.is_read_only for planned in FLEET)
    assert any(any(planned.flaps_s) for planned in FLEET)
    assert any(planned.weather.latency_s >= 0.5 for planned in FLEET)


async def test_each_source_is_as_planned_and_a_second_start_registers_nothing_twice(harbour):
    fleet, task = await sail(harbour)
    known = {source.name: source for source in harbour.parts.sources.everything()}
    assert set(NAMES) == set(known) - {"spillway"}
    assert len({source.port for source in known.values()}) == 25
    healths = {one.data_source_id: one for one in await harbour.parts.probing.healths([known[name].id for name in NAMES])}
    silent = known["legacy-crm"].id
    healths[silent] = await harbour.parts.probing.health(silent)  # who gives no answer holds up nobody's bulk: its own call waits
    found = {name: healths[known[name].id].status for name in NAMES}
    down = {"billing-primary", "legacy-crm", "identity-staging", "crm-staging"}
    assert {name for name, status in found.items() if status is HealthStatus.UNHEALTHY} - {"warehouse"} == down
    assert found["geo-replica"] is HealthStatus.DEGRADED
    for name in (name for name, status in found.items() if status in {HealthStatus.DEGRADED, HealthStatus.UNKNOWN}):
        harbour.parts.probing.outdate(known[name].id)  # whom a busy machine made slow is read once more, alone
        found[name] = (await harbour.parts.probing.health(known[name].id)).status
    assert sum(status is HealthStatus.HEALTHY for status in found.values()) >= 16
    ports = {name: known[name].port for name in NAMES}
    await land(task)
    assert fleet.proxies["orders-primary"].weather.mode is Mode.PASS

    _, task = await sail(harbour)
    again = {source.name: source for source in harbour.parts.sources.everything()}
    assert {name: again[name].id for name in NAMES} == {name: known[name].id for name in NAMES}
    assert {name: again[name].port for name in NAMES} == ports
    health = await harbour.parts.probing.health(again["orders-primary"].id)
    assert health.status in {HealthStatus.HEALTHY, HealthStatus.DEGRADED}
    await land(task)
