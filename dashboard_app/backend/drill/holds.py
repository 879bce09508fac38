"""Connections taken on purpose from the guarded pool, past admission, and given back after a time. Only the demo does this."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

from asyncpg import InterfaceError, PostgresError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import SpillwayError

log = logging.getLogger(__name__)

HoldKind = Literal["leak", "idle_in_transaction", "query"]
_SLEEP = "SELECT pg_sleep($1)"
_WAIT_S = 1.0
_CLOSE_S = 5.0
_LOST = (SpillwayError, SQLAlchemyError, PostgresError, InterfaceError, OSError, TimeoutError)
"""How a hold may end early: its connection was reclaimed, terminated, or never given."""


class Labels(Protocol):
    """The part of the guard that a hold speaks to."""

    def holding(self, *, task: str = "", route: str = "", exempt: str = "") -> AbstractContextManager[Any]:
        """Label checkouts made inside."""

    def running(self, handle: Any, query: str) -> AbstractContextManager[Any]:
        """Inside, the checkout behind `handle` counts as running `query`."""


class Holds:
    """The connections that drills hold now."""

    def __init__(self, engine: AsyncEngine, guard: Labels, clock: Clock) -> None:
        """Nothing is held."""
        self._engine = engine
        self._guard = guard
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """Holds that have not ended."""
        return len(self._tasks)

    async def take(self, connections: int, seconds: float, kind: HoldKind) -> int:
        """How many of `connections` are held now; each was waited for 1 s at most. They end by themselves after `seconds`."""
        signs: list[asyncio.Future[bool]] = []
        for _ in range(connections):
            sign: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            task = asyncio.create_task(self._hold(seconds, kind, sign))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            signs.append(sign)
        return sum(await asyncio.gather(*signs))

    async def release(self) -> int:
        """Give everything back now; answers how many holds were ended."""
        ended = list(self._tasks)
        for task in ended:
            task.cancel()
        if ended:
            await asyncio.wait(ended, timeout=_CLOSE_S)
        return len(ended)

    async def _hold(self, seconds: float, kind: HoldKind, sign: asyncio.Future[bool]) -> None:
        """Hold one connection. `sign` becomes True when it is held, False when it was not to be had."""
        try:
            with self._guard.holding(task=f"drill {kind}", route="POST /api/v1/drill/hold"):
                connection = self._engine.connect()
                async with asyncio.timeout(_WAIT_S):
                    await connection.start()
                try:
                    await self._keep(connection, seconds, kind, lambda: _say(sign, held=True))
                finally:
                    await connection.close()
        except _LOST as lost:
            log.info("a drill's hold ended early: %s", type(lost).__name__)
        finally:
            _say(sign, held=False)

    async def _keep(self, connection: AsyncConnection, seconds: float, kind: HoldKind, held: Callable[[], None]) -> None:
        """Do what the kind says for `seconds`."""
        if kind == "query":
            driver: Any = (await connection.get_raw_connection()).driver_connection
            held()
            with self._guard.running(connection, _SLEEP):
                await driver.fetchval(_SLEEP, seconds, timeout=seconds + _CLOSE_S)
            return
        if kind == "idle_in_transaction":
            await connection.execute(text("SELECT 1"))
        held()
        await self._clock.sleep(seconds)


def _say(sign: asyncio.Future[bool], *, held: bool) -> None:
    """Answer who waits, once."""
    if not sign.done():
        sign.set_result(held)
