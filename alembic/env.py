"""Alembic's entry: on the connection it is handed (`store.migrations`), else on the one that the settings name."""

import asyncio

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from alembic import context
from dashboard_app.settings import load_settings
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.database import connect
from dashboard_app.store.tables import metadata


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


async def run_by_settings() -> None:
    settings = load_settings().values
    url = settings.database_direct_url or settings.database_url
    if url is None:
        raise SystemExit("SPILLWAY_DATABASE_URL is not set; `make cli ARGS=migrate` also serves the embedded server")
    address = DatabaseAddress.from_url(url.get_secret_value())
    engine = create_async_engine("postgresql+asyncpg://", async_creator=lambda: connect(address), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(run_by_settings())
