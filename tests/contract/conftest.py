"""The API on the real services and a real PostgreSQL, with Permit in front as in the app."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from fastapi import FastAPI

from dashboard_app.access.audit import Audit
from dashboard_app.access.identity import Identity
from dashboard_app.access.passwords import Passwords
from dashboard_app.access.permit import Permit
from dashboard_app.access.vault import Vault
from dashboard_app.backend.alerts.assembly import AlertParts, build_alerts
from dashboard_app.backend.api.app import build_api
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.events.assembly import EventParts, build_events
from dashboard_app.backend.guard import ControlView, GuardLimits, PoolGuard
from dashboard_app.backend.guard.monitor import Monitor
from dashboard_app.backend.jobs.assembly import build_jobs
from dashboard_app.backend.notify.assembly import build_channels
from dashboard_app.backend.notify.channels import Channels
from dashboard_app.backend.sources.assembly import SourceParts, build_sources
from dashboard_app.backend.sources.open_probes import metric_units
from dashboard_app.model.breaker import BreakerLimits
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.runtime.breakers import Breakers
from dashboard_app.settings import Settings
from dashboard_app.store import database as store_database
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.channels import ChannelStore
from dashboard_app.store.database import APPLICATION_NAME, Database
from dashboard_app.store.events import EventStore
from dashboard_app.store.jobs import JobStore
from dashboard_app.store.migrations import migrate
from tests.backend.api.fakes import client_of
from tests.conftest import PostgresForTests, a_database

PATIENCE_S = 20.0
PATIENT = {"timeout_s": PATIENCE_S, "command_timeout_s": PATIENCE_S}


@dataclass
class Served:
    """A served API and what stands behind it."""

    app: FastAPI
    door: Permit
    guard: PoolGuard
    database: Database
    parts: SourceParts
    audit: Audit
    alerts: AlertParts
    events: EventParts
    channels: Channels
    breakers: Breakers
    identity: Identity

    def client(self, role: Role | None = Role.ADMIN) -> httpx.AsyncClient:
        principal = Principal(PrincipalKind.USER, f"test {role.value}", role, 1) if role else None
        return client_of(self.door, principal)


@asynccontextmanager
async def served(address: DatabaseAddress, settings: Settings) -> AsyncIterator[Served]:
    """The API on `address`, migrated; everything is closed afterwards."""
    clock = SystemClock()
    database = Database(lambda: address, settings)
    audit = Audit(database, settings.data_dir, clock)
    limits = GuardLimits(
        settings.max_concurrent_requests, settings.admission_timeout_s, leak_threshold_s=settings.leak_threshold_s, auto_cleanup=False
    )
    guard = PoolGuard(database.engine, limits, clock, server=ControlView(database.control, APPLICATION_NAME))
    breakers = Breakers(BreakerLimits(), clock)
    parts = build_sources(database, Vault(settings), settings, clock, breakers=breakers)
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    identity = Identity(database, settings, clock, audit=audit, vault=Vault(settings), passwords=Passwords(hasher))
    jobs = build_jobs(JobStore(database, guard.running), guard, clock, settings)
    alerts = build_alerts(database, guard, parts.sources, parts.probing, units=metric_units, clock=clock)
    events = build_events(EventStore(database, guard.running), guard, clock, settings)
    channels = build_channels(
        ChannelStore(database), Vault(settings), events.events, alerts.desk, parts.sources, clock=clock, settings=settings
    )
    deps = ApiDeps(
        settings=settings,
        clock=clock,
        guard=guard,
        engine=database.engine,
        ping=database.ping,
        sources=parts.sources,
        probing=parts.probing,
        poolers=parts.poolers,
        history=parts.history,
        audit=audit,
        jobs=jobs,
        identity=identity,
        alerts=alerts.desk,
        events=events,
        channels=channels,
    )
    app = build_api(deps)
    await migrate(database)
    await parts.sources.open()
    await audit.start()
    runs = (guard.run, alerts.evaluator.run, alerts.evaluator.run_writes, jobs.updater.run, events.events.run, channels.run)
    loops = {asyncio.create_task(run()) for run in runs}
    await until(alerts.evaluator._is_started.is_set)
    await until(lambda: channels.is_ready)
    try:
        yield Served(
            app, Permit(app, app.state.actions.action_of), guard, database, parts, audit, alerts, events, channels, breakers, identity
        )
    finally:
        events.streams.close()
        await events.events.close()
        await channels.close()
        for loop in loops:
            loop.cancel()
        await asyncio.wait(loops)
        await jobs.updater.release()
        await events.events.release()
        await identity.close()
        if app.state.holds is not None:
            await app.state.holds.release()
        await parts.probing.close()
        await alerts.evaluator.close()
        await audit.close()
        await database.close()


@pytest_asyncio.fixture(scope="session")
async def migrated(postgres: PostgresForTests) -> str:
    """The name of a migrated database to copy: that takes a tenth of a migration."""
    address = postgres.create_database(f"contract_{os.getpid()}")
    database = Database(lambda: address, Settings())
    await migrate(database)
    await database.close()
    return address.database


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Here it counts what is answered; where a machine with much else to do takes longer than the limits of the database, that is not it.

    The limits are judged in tests/backend/guard and tests/faults.
    """
    monkeypatch.setattr(store_database.connect, "__kwdefaults__", store_database.connect.__kwdefaults__ | PATIENT)
    monkeypatch.setattr(Database.on_control, "__defaults__", (PATIENCE_S,))
    monkeypatch.setattr(Database.ping, "__defaults__", (PATIENCE_S,))
    if request.node.get_closest_marker("impatient") is None:
        monkeypatch.setattr(Monitor.check, "__defaults__", (PATIENCE_S,))


@pytest.fixture
def fresh_database(postgres: PostgresForTests, migrated: str) -> Iterator[DatabaseAddress]:
    """A migrated database without a row of its own, dropped afterwards."""
    with a_database(postgres, migrated) as address:
        yield address


@pytest.fixture
async def api(fresh_database: DatabaseAddress, settings_for: Callable[..., Settings]) -> AsyncIterator[Served]:
    """The API of an ordinary installation."""
    async with served(fresh_database, settings_for()) as made:
        yield made


@pytest.fixture
async def demo_api(fresh_database: DatabaseAddress, settings_for: Callable[..., Settings]) -> AsyncIterator[Served]:
    """The API of a demo, with a pool of 4 + 2."""
    small: dict[str, Any] = {"demo": True, "pool_size": 4, "pool_max_overflow": 2, "leak_threshold_s": 0.05, "max_concurrent_requests": 3}
    async with served(fresh_database, settings_for(**small)) as made:
        yield made


async def fill(api: Served, client: httpx.AsyncClient, kind: str = "leak", count: int | None = None) -> None:
    """Take every connection of the pool, or until `count` are out; on a busy machine a hold may need more than its second."""
    wanted = api.guard.counts().capacity if count is None else count
    async with asyncio.timeout(20):
        while (missing := wanted - api.guard.counts().checked_out) > 0:
            await client.post("/api/v1/drill/hold", json={"connections": missing, "seconds": 300, "kind": kind})


async def until(claim: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Return as soon as `claim()` holds; fail when it does not in time."""
    async with asyncio.timeout(timeout_s):
        while not claim():  # noqa: ASYNC110 - the claim is about another process or the pool, which set no event
            await asyncio.sleep(0.005)
