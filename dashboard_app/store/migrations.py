"""Brings the database to the newest revision, over a direct connection, one process at a time."""

from pathlib import Path

import asyncpg
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from alembic import command
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.store.database import ANSWER_LIMIT_S, APPLICATION_NAME, Database, connect, unavailable_errors

ROOT = Path(__file__).resolve().parents[2]
LOCK_KEY = 0x5370696C6C776179
"""The advisory lock that a migrating process holds: "Spillway" in ASCII."""
MIGRATION_LIMIT_S = 300.0
"""A statement of a migration may take this long; waiting for another process's lock counts, too."""


async def migrate(database: Database) -> str:
    """Run every migration that is missing and return the revision reached; a second process waits for the first.

    Raises:
        DatabaseUnavailable: the database cannot be reached, or a connection pooler stands where none was announced.

    """
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: _connect_directly(database),
        poolclass=NullPool,
        hide_parameters=True,
    )
    try:
        with unavailable_errors():
            async with engine.connect() as connection:
                return await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


async def _connect_directly(database: Database) -> asyncpg.Connection:
    """A connection to the server itself. A pooler gives itself away: the process id it hands out is not the server's.

    Raises:
        DatabaseUnavailable: a pooler stands in between, where a lock would belong to nobody.

    """
    connection = await connect(
        database.direct_address(),
        application_name=f"{APPLICATION_NAME}-migrate",
        command_timeout_s=MIGRATION_LIMIT_S,
        statement_cache_size=0,
    )
    if await connection.fetchval("SELECT pg_backend_pid()", timeout=ANSWER_LIMIT_S) != connection.get_server_pid():
        connection.terminate()
        wrong = "DATABASE_DIRECT_URL" if database.is_pooled else "DATABASE_URL"
        raise DatabaseUnavailable(
            f"SPILLWAY_{wrong} goes through a connection pooler: set SPILLWAY_DATABASE_DIRECT_URL to the database itself (docs/pgbouncer.md)"
        )
    return connection


def upgrade(connection: Connection) -> str:
    """Upgrade to head on `connection` under the advisory lock and return the revision."""
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
    connection.commit()
    try:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
        return MigrationContext.configure(connection).get_current_revision() or ""
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK_KEY})
        connection.commit()


def alembic_config() -> Config:
    """Alembic's configuration by absolute paths: works from any folder."""
    config = Config(str(ROOT / "alembic.ini"))
    config.set_main_option("script_location", str(ROOT / "alembic").replace("%", "%%"))
    return config


def head_revision() -> str:
    """The newest revision that this code knows."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head() or ""
