import os

import pytest

from dashboard_app.store.database import Database
from dashboard_app.store.migrations import migrate
from dashboard_app.store.tables import metadata
from tests.access.parts import opened

_MIGRATED = []


@pytest.fixture
async def fresh_database(postgres, settings_for):
    """A database of this room with every table and no row: migrated once, emptied for each test."""
    if not _MIGRATED:
        address = postgres.create_database(f"access_{os.getpid()}")
        database = Database(lambda: address, settings_for())
        await migrate(database)
        await database.close()
        _MIGRATED.append(address.database)
    tables = ", ".join(table.name for table in metadata.sorted_tables)
    empty = f"SET LOCAL session_replication_role = replica; TRUNCATE {tables} RESTART IDENTITY CASCADE;"  # the audit takes no row back
    postgres.execute(f"DO $$ BEGIN {empty} END $$", database=_MIGRATED[0])
    return postgres.address(_MIGRATED[0])


@pytest.fixture
async def parts(fresh_database, settings_for):
    async with opened(fresh_database, settings_for()) as parts:
        await parts.add_users()
        yield parts
