"""One connection through the guarded pool, on request: does it work, how long does it take. One at a time, two seconds in all."""

import asyncio
import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from dashboard_app.backend.guard.labels import labelled
from dashboard_app.model.pool import PoolCounts

LIMIT_S = 2.0
_STILL_RUNS = "The last test has not ended yet: the database does not answer."


class ConnectionTest:
    """Callers that ask at the same time share one test."""

    def __init__(self, engine: AsyncEngine | Engine, counts: Callable[[], PoolCounts]) -> None:
        """Nothing is tested yet."""
        self._engine = engine
        self._counts = counts
        self._answer: asyncio.Task[dict[str, object]] | None = None
        self._work: asyncio.Task[dict[str, object]] | None = None

    async def run(self) -> dict[str, object]:
        """`{"ok", "latency_ms", "server_version", "via"}`, or `{"ok": False, "error", "latency_ms", "server_version", "via"}`. Never raises."""
        if self._answer is None or self._answer.done():
            self._answer = asyncio.create_task(self._test(), name="connection test")
        return await asyncio.shield(self._answer)

    async def _test(self) -> dict[str, object]:
        """One test within the limit. What is given up ends in the background, and no other test begins before it has."""
        began = time.perf_counter()
        if self._work is not None and not self._work.done():
            await asyncio.wait({self._work}, timeout=LIMIT_S)
            if not self._work.done():
                return _failed(_STILL_RUNS, began)
        self._work = asyncio.create_task(self._try(began), name="connection test through the pool")
        await asyncio.wait({self._work}, timeout=max(LIMIT_S - (time.perf_counter() - began), 0.0))
        if not self._work.done():
            self._work.cancel()
            return _failed(self._why_nothing(), began)
        return self._work.result()

    async def _try(self, began: float) -> dict[str, object]:
        """The test itself; an error becomes a sentence."""
        try:
            with labelled(task="connection test"):
                if isinstance(self._engine, AsyncEngine):
                    async with self._engine.connect() as connection:
                        version = await connection.run_sync(_select_one)
                else:
                    version = await asyncio.to_thread(_connect_and_select, self._engine)
        except PoolTimeout:
            return _failed(self._why_nothing(), began)
        except OSError:
            return _failed("The database refuses connections.", began)
        except Exception as error:  # noqa: BLE001 - the test worked, the connection did not: its kind is the answer
            return _failed(f"The database answered with an error ({type(error).__name__}).", began)
        return {"ok": True, "latency_ms": _since_ms(began), "server_version": version, "via": "pool"}

    def _why_nothing(self) -> str:
        """Why no connection came within the limit."""
        counts = self._counts()
        if counts.checked_out >= counts.capacity:
            return f"No connection within {LIMIT_S:g} s: the pool is full ({counts.checked_out} of {counts.capacity} in use)."
        return f"No answer within {LIMIT_S:g} s: the database does not answer."


def _select_one(connection: Connection) -> str:
    """Run one statement; the server's version."""
    connection.execute(text("SELECT 1"))
    return ".".join(str(part) for part in connection.dialect.server_version_info or ())


def _connect_and_select(engine: Engine) -> str:
    """The same on a connection of its own, for a sync engine."""
    with engine.connect() as connection:
        return _select_one(connection)


def _failed(error: str, began: float) -> dict[str, object]:
    """The answer of a test that worked on a connection that did not."""
    return {"ok": False, "latency_ms": _since_ms(began), "server_version": None, "via": "pool", "error": error}


def _since_ms(began: float) -> float:
    """Milliseconds since `began`."""
    return round((time.perf_counter() - began) * 1000, 1)
