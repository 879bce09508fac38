"""Overrides on a real PostgreSQL: set, set anew and forgotten in one statement."""

from datetime import UTC, datetime

import pytest

from dashboard_app.store.database import Database
from dashboard_app.store.migrations import migrate
from dashboard_app.store.setting_overrides import SettingStore

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
async def store(fresh_database, settings_for):
    database = Database(lambda: fresh_database, settings_for())
    await migrate(database)
    yield SettingStore(database)
    await database.close()


async def kept(store):
    return {row.name: (row.value, row.changed_by, row.changed_at) for row in await store.load()}


async def test_values_of_every_type_come_back_as_they_went(store):
    await store.change({"pace": "adaptive", "queue_max": 7, "breaker_recovery_s": 0.5, "auto_cleanup": False}, [], by="ana", at=AT)
    assert await kept(store) == {
        "pace": ("adaptive", "ana", AT),
        "queue_max": (7, "ana", AT),
        "breaker_recovery_s": (0.5, "ana", AT),
        "auto_cleanup": (False, "ana", AT),
    }


async def test_one_call_sets_anew_and_forgets_and_a_reset_alone_works(store):
    await store.change({"pace": "adaptive", "queue_max": 7}, [], by="ana", at=AT)
    await store.change({"queue_max": 8}, ["pace", "never_set"], by="bob", at=AT)
    assert await kept(store) == {"queue_max": (8, "bob", AT)}
    await store.change({}, ["queue_max"], by="bob", at=AT)
    assert await kept(store) == {}
