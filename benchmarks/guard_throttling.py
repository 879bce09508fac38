"""500 clients at once on a pool of 30 with 50 ms of database work each: those that follow throttling-config, and those that do not."""

import asyncio
import random
import time
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks.harness.rounds import percentile
from benchmarks.harness.server import connector, postgres
from benchmarks.harness.table import Table
from dashboard_app.backend.guard import GuardLimits, PoolGuard
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.store.address import DatabaseAddress

CLIENTS = 500
_WORK = text("SELECT pg_sleep(0.05)")
_PATIENCE_S = 60.0
_TRIES = 3
_GOAL = 99.0


@dataclass
class _Outcome:
    """What became of the clients of one kind."""

    served: int = 0
    refusals: int = 0
    tries: int = 0
    seconds: list[float] = field(default_factory=list)
    took_s: float = 0.0


class _Fleet:
    """The clients of one kind on one guarded pool."""

    def __init__(self, engine: AsyncEngine, guard: PoolGuard) -> None:
        """Nobody has asked yet."""
        self._engine = engine
        self._guard = guard
        self._places = asyncio.Semaphore(1)
        self.outcome = _Outcome()

    async def _ask(self) -> float:
        """One request; 0 when it was served, else the seconds after which to come back."""
        self.outcome.tries += 1
        try:
            async with self._guard.admission(), self._engine.connect() as connection:
                await connection.execute(_WORK)
        except DatabaseUnavailable as refused:
            self.outcome.refusals += 1
            return refused.retry_after_s or 1.0
        return 0.0

    async def once(self) -> None:
        """A client that asks once and takes the answer it gets."""
        began = time.perf_counter()
        if not await self._ask():
            self._served(began)

    async def stubborn(self) -> None:
        """A client that asks again at once, a few times, whatever it is told."""
        began = time.perf_counter()
        for _ in range(_TRIES):
            if not await self._ask():
                self._served(began)
                return

    async def throttled(self, number: int) -> None:
        """A client that sends no more at once than the config allows all of them together, and waits as it is told."""
        began = time.perf_counter()
        chance = random.Random(number)  # noqa: S311 - the same spread each time
        while time.perf_counter() - began < _PATIENCE_S:
            async with self._places:
                again_s = await self._ask()
            if not again_s:
                self._served(began)
                return
            await asyncio.sleep(again_s * chance.uniform(1.0, 1.5))

    def allow(self, together: int) -> None:
        """So many of the throttled at once, as throttling-config says."""
        self._places = asyncio.Semaphore(together)

    def _served(self, began: float) -> None:
        self.outcome.served += 1
        self.outcome.seconds.append(time.perf_counter() - began)


def run() -> Table:
    """One row for each kind of client."""
    with postgres(max_connections="200") as address:
        outcomes = {
            kind: asyncio.run(_fleet(address, kind)) for kind in ("unthrottled, one try", "unthrottled, three tries at once", "throttled")
        }
    rows: list[list[str | float]] = []
    for kind, outcome in outcomes.items():
        percent = 100 * outcome.served / CLIENTS
        rows.append([kind, percent, outcome.served, outcome.refusals, outcome.tries, percentile(outcome.seconds, 99), outcome.took_s])
    throttled, unthrottled = outcomes["throttled"].served, outcomes["unthrottled, one try"].served
    return Table(
        "500 clients at once on a pool of 30",
        ("clients", "served %", "served", "503s", "requests", "p99 s to success", "all over after s"),
        rows,
        "Each needs 50 ms of database work; 25 places, 0.5 s of waiting for one. Throttled: `max_concurrent_requests` of throttling-config for all together, "
        "Retry-After obeyed. Every request was answered: served, or a 503 with Retry-After.",
        {
            f"throttled clients are served to {_GOAL:g} % or more": 100 * throttled / CLIENTS >= _GOAL,
            "unthrottled ones are not": 100 * unthrottled / CLIENTS < _GOAL,
        },
    )


async def _fleet(address: DatabaseAddress, kind: str) -> _Outcome:
    """All clients of one kind, at once."""
    creator = connector(address, "bench clients")
    engine = create_async_engine("postgresql+asyncpg://", async_creator=creator, pool_size=20, max_overflow=10, pool_use_lifo=True)
    guard = PoolGuard(engine, GuardLimits(auto_cleanup=False))
    fleet = _Fleet(engine, guard)
    fleet.allow(guard.throttling_config().max_concurrent_requests)
    began = time.perf_counter()
    clients = {
        "unthrottled, one try": lambda _number: fleet.once(),
        "unthrottled, three tries at once": lambda _number: fleet.stubborn(),
        "throttled": fleet.throttled,
    }
    await asyncio.gather(*(clients[kind](number) for number in range(CLIENTS)))
    fleet.outcome.took_s = time.perf_counter() - began
    assert guard.counts().checked_out == 0
    await engine.dispose()
    return fleet.outcome
