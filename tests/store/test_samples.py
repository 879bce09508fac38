"""The store alone; reading points and timelines is proven in tests/backend/sources/test_history.py."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from dashboard_app.model.errors import DatabaseUnavailable, Failed
from dashboard_app.model.health import Health, HealthStatus, Metrics
from dashboard_app.store.database import Database
from dashboard_app.store.migrations import migrate
from dashboard_app.store.samples import SampleStore
from dashboard_app.store.sources import SourceStore

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def database(fresh_database, settings_for):
    opened = Database(lambda: fresh_database, settings_for())
    await migrate(opened)
    await SourceStore(opened).put_own(fresh_database)
    yield opened
    await opened.close()


async def test_a_thousand_samples_of_both_kinds_are_one_statement(database):
    statements = []
    event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    healths = [Health(1, HealthStatus.DEGRADED, START, 1.5, START + timedelta(seconds=n), "slow ü '") for n in range(1000)]
    metrics = [Metrics(1, START + timedelta(seconds=n), {"size_bytes": 7.0}, {"size_bytes": "bytes"}) for n in range(1000)]
    store = SampleStore(database)
    await store.write(healths, metrics)
    assert len(statements) == 1
    (recent,) = await store.recent(30)
    assert (recent.letters, recent.message, recent.since) == ("w" * 30, "slow ü '", START)
    assert len(await store.points(1, "size_bytes", START, START + timedelta(hours=1), 1000)) == 1000


async def test_a_sample_that_the_database_refuses_is_a_failure_not_an_outage(database):
    with pytest.raises(Failed):
        await SampleStore(database).write([Health(1, HealthStatus.HEALTHY, START, 1.0, START, "NUL \0")], [])


async def test_a_database_that_is_away_is_named_so(database, postgres):
    store = SampleStore(database)
    postgres.stop()
    for call in (store.write([], []), store.recent(3), store.forget(START), store.points(1, "latency_ms", START, START, 3)):
        with pytest.raises(DatabaseUnavailable):
            await call
