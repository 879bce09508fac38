"""How soon work succeeds again once PostgreSQL is back from a kill, a stop, a freeze, a restart under load; and what is left behind."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks.harness.server import connector
from benchmarks.harness.table import Table
from dashboard_app.backend.guard import ControlView, GuardLimits, PoolGuard
from dashboard_app.store.embedded import EmbeddedServer

ROUNDS = 5
LIMIT_S = 2.0
_NAME = "bench recovery"
_WORKERS = 15
_AWAY_S = 3.0
_GIVE_UP_S = 30.0


def run() -> Table:
    """One row for each kind of trouble."""
    folder = Path(tempfile.mkdtemp(prefix="spillway-bench-"))
    folder.chmod(0o711)
    server = EmbeddedServer(folder / "data", options={"fsync": "off"})
    server.start()
    try:
        rows, slowest, left = asyncio.run(_measure(server))
    finally:
        server.stop_if_last_user()
        shutil.rmtree(folder)
    return Table(
        "Back after trouble of the server",
        ("trouble", "median s until work succeeds", "slowest s", "connections left behind"),
        rows,
        f"{_WORKERS} workers ask all the time; away for {_AWAY_S:g} s (a restart: as long as it takes); {ROUNDS} times each. "
        "Counted from the moment the server accepts connections again.",
        {f"work succeeds within {LIMIT_S:g} s of the server's return": slowest <= LIMIT_S, "no connection is left behind": left == 0},
    )


async def _measure(server: EmbeddedServer) -> tuple[list[list[str | float]], float, int]:
    """The rows, the slowest recovery, and the connections that were left behind in all."""
    address = server.address()
    control = create_async_engine(
        "postgresql+asyncpg://", async_creator=connector(address, f"{_NAME} control"), pool_size=2, max_overflow=0
    )
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connector(address, _NAME),
        pool_size=20,
        max_overflow=10,
        pool_pre_ping=True,
        pool_use_lifo=True,
    )
    guard = PoolGuard(engine, GuardLimits(auto_cleanup=False), server=ControlView(control, _NAME))
    monitor = asyncio.create_task(guard.run())
    rows: list[list[str | float]] = []
    slowest, left = 0.0, 0
    troubles: dict[str, Callable[[EmbeddedServer], None]] = {
        "kill": _kill, "stop": EmbeddedServer.stop, "freeze": lambda server: _signal(server, signal.SIGSTOP), "restart": EmbeddedServer.stop,
    }  # fmt: skip
    for name, trouble in troubles.items():
        took = [await _once(server, engine, guard, trouble, 0.0 if name == "restart" else _AWAY_S) for _ in range(ROUNDS)]
        seconds = [one for one, _ in took]
        rows.append([name, median(seconds), max(seconds), sum(lost for _, lost in took)])
        slowest, left = max(slowest, *seconds), left + sum(lost for _, lost in took)
    monitor.cancel()
    await asyncio.wait({monitor})
    await engine.dispose()
    await control.dispose()
    return rows, slowest, left


async def _once(
    server: EmbeddedServer, engine: AsyncEngine, guard: PoolGuard, trouble: Callable[[EmbeddedServer], None], away_s: float
) -> tuple[float, int]:
    """Seconds from the server's return to the first success of work begun after it, and the connections still out at the end."""
    served: list[float] = []
    is_over = asyncio.Event()

    async def load() -> None:
        while not is_over.is_set():
            began = time.perf_counter()
            try:
                async with guard.admission(), engine.connect() as connection:
                    await connection.execute(text("SELECT pg_sleep(0.005)"))
                served.append(began)
            except Exception:  # noqa: BLE001 - a refusal of the guard, or whatever a driver says
                await asyncio.sleep(0.02)

    workers = [asyncio.create_task(load()) for _ in range(_WORKERS)]
    await _until(lambda: len(served) > _WORKERS)
    await asyncio.to_thread(trouble, server)
    await asyncio.sleep(away_s)
    _signal(server, signal.SIGCONT)
    await asyncio.to_thread(server.start)
    back = time.perf_counter()
    await _until(lambda: bool(served) and served[-1] >= back)
    took_s = time.perf_counter() - back
    is_over.set()
    await asyncio.wait(workers, timeout=_GIVE_UP_S)
    return took_s, guard.counts().checked_out


async def _until(claim: Callable[[], bool]) -> None:
    """Return when it holds; a recovery that never comes is an error, not a figure."""
    async with asyncio.timeout(_GIVE_UP_S):
        while not claim():  # noqa: ASYNC110 - the claim is about the server, which sets no event
            await asyncio.sleep(0.005)


def _kill(server: EmbeddedServer) -> None:
    """SIGKILL to every process of the server."""
    _signal(server, signal.SIGKILL)


def _signal(server: EmbeddedServer, number: signal.Signals) -> None:
    """Send `number` to every process of the server."""
    for pid in server.pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
