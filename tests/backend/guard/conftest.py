import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from dashboard_app.backend.guard import ControlView, GuardLimits, PoolGuard
from dashboard_app.store.address import DatabaseAddress
from tests.conftest import PostgresForTests

NAME = "guard-test"


async def until(claim: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.005)


def engine_on(address: DatabaseAddress, name: str = NAME, limit_s: float = 2, **over: Any) -> AsyncEngine:
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password.reveal(),
            database=address.database,
            ssl=False,
            timeout=limit_s,
            command_timeout=limit_s,
            server_settings={"application_name": name},
        )

    options: dict[str, Any] = {"pool_size": 20, "max_overflow": 10, "pool_timeout": 30, "pool_use_lifo": True, "pool_pre_ping": True}
    return create_async_engine("postgresql+asyncpg://", async_creator=connect, **(options | over))


@dataclass
class Guarded:
    """A guarded engine on a real server, with its control engine, and everything that was held on it."""

    guard: PoolGuard
    engine: AsyncEngine
    control: AsyncEngine
    held: list[AsyncConnection] = field(default_factory=list)

    async def hold(self, count: int, kind: str = "leak") -> None:
        for _ in range(count):
            connection = await self.engine.connect()
            self.held.append(connection)
            if kind == "idle_in_transaction":
                await connection.execute(text("SELECT 1"))

    async def release(self) -> None:
        while self.held:
            await self.held.pop().close()


@asynccontextmanager
async def guarded(
    address: DatabaseAddress, *, monitored: bool = False, limits: GuardLimits | None = None, **over: Any
) -> AsyncIterator[Guarded]:
    engine = engine_on(address, **over)
    control = engine_on(address, f"{NAME}-control", pool_size=2, max_overflow=0, pool_timeout=1)
    view = ControlView(control, NAME)
    await view.ping()  # the control pool is warm, as under a running monitor
    guard = PoolGuard(engine, limits or GuardLimits(auto_cleanup=False), server=view)
    monitor = asyncio.create_task(guard.run()) if monitored else None
    system = Guarded(guard, engine, control)
    try:
        yield system
    finally:
        if monitor is not None:
            monitor.cancel()
            with suppress(asyncio.CancelledError):
                await monitor
        with suppress(Exception):
            await system.release()
        for each in (engine, control):  # what was given up on a silent server ends a little later
            pool: Any = each.pool
            await until(lambda pool=pool: pool.checkedout() == 0)  # type: ignore[misc]
            await each.dispose()


@pytest.fixture
def address(postgres: PostgresForTests) -> DatabaseAddress:
    return postgres.address()


@pytest.fixture
def sessions(postgres: PostgresForTests) -> Callable[[], int]:
    """How many sessions the guarded engine has, as the server counts them."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
    return lambda: int(postgres.execute(query, NAME)[0][0])


async def gathered(*work: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*work, return_exceptions=True)
