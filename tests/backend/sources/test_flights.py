"""What is shared of a reading, and what is not any more once the source was changed."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from dashboard_app.backend.sources.flights import Flights
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.source import Source, SourceKind

AT = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = Source(1, "pooler", SourceKind.PGBOUNCER, "127.0.0.1", 6432, "", "admin", {}, "", (), True, AT, AT)


async def test_a_landed_reading_is_shared_for_a_second_unless_it_is_outdated():
    flights, made = Flights(ManualClock(), 1.0), []

    async def work() -> int:
        made.append(1)
        return len(made)

    assert await flights.shared(SOURCE, "pools", work) == await flights.shared(SOURCE, "pools", work) == 1
    flights.outdate(2)
    assert await flights.shared(SOURCE, "pools", work) == 1
    flights.outdate(1)
    assert await flights.shared(SOURCE, "pools", work) == 2


async def test_who_asks_after_a_change_does_not_join_a_reading_that_began_before_and_readings_stay_one_at_a_time():
    flights, gate, running, most = Flights(ManualClock(), 1.0), asyncio.Event(), 0, 0

    async def work() -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1
        return most

    first = asyncio.create_task(flights.shared(SOURCE, "pools", work))
    await asyncio.sleep(0)
    flights.outdate(SOURCE.id)
    second = asyncio.create_task(flights.shared(SOURCE, "pools", work))
    other = asyncio.create_task(flights.shared(replace(SOURCE), "health", work))
    await asyncio.sleep(0)
    assert flights.is_busy(SOURCE.id)
    gate.set()
    await asyncio.gather(first, second, other)
    assert most == 1
    await flights.close()
