import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from alembic import command
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.store.database import Database
from dashboard_app.store.migrations import alembic_config, head_revision, migrate
from dashboard_app.store.tables import metadata


@pytest.fixture
async def database(fresh_database, settings_for):
    database = Database(lambda: fresh_database, settings_for())
    yield database
    await database.close()


async def test_migrations_build_exactly_the_tables_of_the_code(database):
    assert await migrate(database) == head_revision()

    def differences(connection):
        return compare_metadata(MigrationContext.configure(connection), metadata)

    async with database.control.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_migrating_twice_changes_nothing(database):
    assert await migrate(database) == await migrate(database)


async def test_processes_that_migrate_at_once_wait_for_each_other(database):
    assert set(await asyncio.gather(*(migrate(database) for _ in range(3)))) == {head_revision()}


async def test_migrations_run_from_any_folder(database, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert await migrate(database) == head_revision()


async def test_the_way_down_leaves_no_table(database):
    await migrate(database)

    def down(connection):
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
        return inspect(connection).get_table_names()

    async with database.control.connect() as connection:
        assert await connection.run_sync(down) == ["alembic_version"]


async def test_a_stopped_server_is_said_plainly(database, postgres):
    postgres.stop()
    with pytest.raises(DatabaseUnavailable):
        await migrate(database)


async def test_checks_of_the_tables_hold_in_the_database(database):
    await migrate(database)
    async with database.control.connect() as connection:
        for statement in (
            "INSERT INTO users(email, role, password_hash) VALUES ('a', 'god', '')",
            "INSERT INTO api_tokens(name, prefix, token_hash, role) VALUES ('a', 'p', 'h', 'god')",
        ):
            with pytest.raises(Exception, match="role_check"):
                await connection.execute(text(statement))
            await connection.rollback()
