"""What ends at a stored time goes by the database's clock: this machine's may jump."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.store.database import Database
from dashboard_app.store.database_clock import AGAIN_S, READ_EVERY_S, DatabaseClock


@pytest.fixture
async def database(postgres, settings_for):
    made = Database(postgres.address, settings_for())
    yield made
    await made.close()


async def test_before_the_first_reading_it_is_the_machines_and_then_the_databases(database) -> None:
    machine = ManualClock(datetime(2001, 1, 1, tzinfo=UTC))
    clock = DatabaseClock(database, machine)
    assert clock.now() == datetime(2001, 1, 1, tzinfo=UTC)
    await clock.read()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=30)


async def test_a_jump_of_the_machines_clock_moves_nothing_and_passing_time_does(database) -> None:
    machine = ManualClock()
    clock = DatabaseClock(database, machine)
    await clock.read()
    before = clock.now()
    machine._now += timedelta(days=1)
    assert clock.now() == before
    machine.tick(5)
    assert clock.now() - before == timedelta(seconds=5)


async def test_it_is_read_every_minute_and_soon_again_after_a_failure(database) -> None:
    machine = ManualClock()
    clock = DatabaseClock(database, machine)
    readings = []

    async def read() -> None:
        readings.append(machine.monotonic())
        if len(readings) == 2:
            raise DatabaseUnavailable("away")

    clock.read = read
    task = asyncio.create_task(clock.run())
    await machine.advance(READ_EVERY_S + AGAIN_S + READ_EVERY_S)
    task.cancel()
    began = readings[0]
    assert [at - began for at in readings] == [0, READ_EVERY_S, READ_EVERY_S + AGAIN_S, READ_EVERY_S * 2 + AGAIN_S]
