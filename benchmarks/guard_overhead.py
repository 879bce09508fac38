"""What the guard costs a checkout with `SELECT 1` and the way back: the same engine with it and without it."""

import asyncio
import time

from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks.harness.rounds import Rounds, interleaved, interleaved_async
from benchmarks.harness.server import connector, postgres
from benchmarks.harness.table import Table
from dashboard_app.backend.guard import PoolGuard
from dashboard_app.store.address import DatabaseAddress

ROUNDS = 15
SLICES = 40
CHECKOUTS = 15
LIMIT = 1.12
ASYNC = {"asyncpg": {"pool_pre_ping": False}, "asyncpg, pre-ping (Spillway's own)": {"pool_pre_ping": True}}
ENGINES = ("bare", "bare again", "guarded")
_SELECT = text("SELECT 1")


def run() -> Table:
    """One table: µs per checkout, and the ratio to the bare engine; the second bare engine shows the noise."""
    rows: list[list[str | float]] = []
    claims: dict[str, bool] = {}
    with postgres() as address:
        measured = {title: asyncio.run(_measure(address, over)) for title, over in ASYNC.items()} | {
            "psycopg, sync": _measure_sync(address)
        }
    for title, rounds in measured.items():
        ratio = rounds.ratio("guarded", "bare")
        rows.append([title, *(rounds.median(name) * 1e6 for name in ENGINES), rounds.ratio("bare again", "bare"), ratio])
        claims[f"{title}: guarded is at most {LIMIT:g} × the bare engine"] = ratio <= LIMIT
    return Table(
        "Guard overhead: checkout + SELECT 1 + return",
        ("engine", "bare µs", "bare again µs", "guarded µs", "noise ×", "guarded ×"),
        rows,
        f"Median of {ROUNDS} interleaved rounds, each the fastest of {SLICES} slices of {CHECKOUTS} checkouts, PostgreSQL on loopback. "
        "Noise: an identical bare engine. A noise far from 1 means that the machine was too busy to tell.",
        claims,
    )


async def _measure(address: DatabaseAddress, over: dict[str, bool]) -> Rounds:
    """Three engines, one of them guarded."""
    engines = {name: _engine(address, name, over) for name in ENGINES}
    PoolGuard(engines["guarded"])
    try:
        return await interleaved_async({name: lambda engine=engine: _seconds(engine) for name, engine in engines.items()}, ROUNDS, SLICES)
    finally:
        for engine in engines.values():
            await engine.dispose()


def _measure_sync(address: DatabaseAddress) -> Rounds:
    """The same for an ordinary sync engine."""
    url = URL.create("postgresql+psycopg", address.user, address.password.reveal(), address.host, address.port, address.database)
    engines = {name: create_engine(url, pool_size=20, max_overflow=10, pool_use_lifo=True) for name in ENGINES}
    PoolGuard(engines["guarded"])
    try:
        return interleaved({name: lambda engine=engine: _seconds_sync(engine) for name, engine in engines.items()}, ROUNDS, SLICES)
    finally:
        for engine in engines.values():
            engine.dispose()


def _seconds_sync(engine: Engine) -> float:
    """Seconds per checkout with one statement."""
    began = time.perf_counter()
    for _ in range(CHECKOUTS):
        with engine.connect() as connection:
            connection.execute(_SELECT)
    return (time.perf_counter() - began) / CHECKOUTS


def _engine(address: DatabaseAddress, name: str, over: dict[str, bool]) -> AsyncEngine:
    """An engine as Spillway makes it."""
    creator = connector(address, f"bench {name}")
    return create_async_engine("postgresql+asyncpg://", async_creator=creator, pool_size=20, max_overflow=10, pool_use_lifo=True, **over)


async def _seconds(engine: AsyncEngine) -> float:
    """Seconds per checkout with one statement."""
    began = time.perf_counter()
    for _ in range(CHECKOUTS):
        async with engine.connect() as connection:
            await connection.execute(_SELECT)
    return (time.perf_counter() - began) / CHECKOUTS
