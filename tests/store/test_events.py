"""The history of events on a real PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard_app.backend.guard import PoolGuard
from dashboard_app.model.errors import DatabaseUnavailable, Failed
from dashboard_app.model.event import Draft, message_of
from dashboard_app.store.database import Database
from dashboard_app.store.events import EventStore
from dashboard_app.store.migrations import migrate


@pytest.fixture
async def store(fresh_database, settings_for):
    database = Database(lambda: fresh_database, settings_for())
    await migrate(database)
    yield EventStore(database, PoolGuard(database.engine).running)
    await database.close()


def messages(count, payload=b'{"n":1}', first=1):
    return [message_of(number, number - 1, Draft("A_B", "A_B", payload)) for number in range(first, first + count)]


async def test_what_is_added_comes_back_byte_for_byte_and_once(store):
    odd = message_of(9, 3, Draft("JOBS_BATCH_X", "JOB_X", '{"a":"\\u0000 ü","n":1.0,"big":9007199254740993}'.encode(), 7))
    await store.add([*messages(3), odd])
    await store.add([*messages(3), odd])
    found = await store.newest(10, 10**6)
    assert found == [*messages(3), odd]


async def test_the_newest_are_read_as_far_as_they_fit(store):
    await store.add(messages(20, b'{"n":"%s"}' % (b"x" * 100)))
    assert [message.id for message in await store.newest(5, 10**6)] == [16, 17, 18, 19, 20]
    assert [message.id for message in await store.newest(20, 330)] == [18, 19, 20]


async def test_old_ones_are_let_go_in_steps(store):
    await store.add(messages(3))
    now = datetime.now(UTC)
    assert await store.prune(now - timedelta(days=1)) == 0
    assert await store.prune(now + timedelta(days=1)) == 3
    assert await store.newest(10, 10**6) == []


async def test_what_the_database_refuses_is_told_from_a_database_that_is_away(store, fresh_database, settings_for, postgres):
    with pytest.raises(Failed):
        await store.add(messages(1, b'{"n":"\x00"}'))
    with pytest.raises(Failed):
        await store.add([message_of(1, 0, Draft("A", "A", b"{}", 2**40))])
    empty = Database(lambda: fresh_database, settings_for())
    async with empty.engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE events")
    with pytest.raises(DatabaseUnavailable):
        await EventStore(empty, PoolGuard(empty.engine).running).add(messages(1))
    await empty.close()
