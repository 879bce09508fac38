"""A PostgreSQL of the benchmark's own, made and thrown away, and driver connections to it."""

import contextlib
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg

from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.embedded import EmbeddedServer


@contextlib.contextmanager
def postgres(**options: str) -> Iterator[DatabaseAddress]:
    """A running server for the length of the block; `options` are server settings."""
    folder = Path(tempfile.mkdtemp(prefix="spillway-bench-"))
    folder.chmod(0o711)  # as root the server runs under another account
    server = EmbeddedServer(folder / "data", options={"fsync": "off", **options})
    try:
        yield server.start()
    finally:
        server.stop_if_last_user()
        shutil.rmtree(folder)


def connector(address: DatabaseAddress, application_name: str) -> Callable[[], Awaitable[asyncpg.Connection]]:
    """An `async_creator` for an engine."""

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password.reveal(),
            database=address.database,
            ssl=False,
            timeout=2,
            command_timeout=2,
            server_settings={"application_name": application_name},
        )

    return connect
