"""A claim: no checkout past its limit, whatever is done to the line."""

import asyncio
import contextlib
import itertools
import time
from collections import Counter

from asyncpg import PostgresError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from dashboard_app.store.address import DatabaseAddress
from tests.faults.matrix.pool import POOL_WAIT_S, pool
from tests.faults.matrix.row import Row
from tests.faults.matrix.stand import Stand, lag, until
from tests.faults.matrix.toxics import Kind, Toxic, ToxicProxy, Way, proxied

CHECKOUT_LIMIT_S = POOL_WAIT_S + 2.0 + 2.0
"""A place in the pool, a ping of a connection that may be dead, a new connection."""
TYPED = (SQLAlchemyError, PostgresError, OSError, TimeoutError)

FAULTS = {
    "latency": Toxic(Kind.LATENCY, 0.7),
    "down": Toxic(Kind.DOWN),
    "bandwidth": Toxic(Kind.BANDWIDTH, 400),
    "slow close": Toxic(Kind.SLOW_CLOSE, 3.0),
    "timeout": Toxic(Kind.TIMEOUT, 0.0),
    "reset": Toxic(Kind.RESET, 0.05),
    "slicer": Toxic(Kind.SLICER, 1),
    "limit": Toxic(Kind.LIMIT, 150),
}


async def checkouts(stand: Stand, row: Row) -> None:
    """Checkouts under eight faults, in either direction: each is a connection or a typed error, none later than its limit."""
    address = await stand.database()
    combinations = list(itertools.product(FAULTS.items(), Way))
    each = stand.count(10_000, 160) // len(combinations)
    worst: dict[str, float] = {}
    outcomes: Counter[str] = Counter()
    over = 0
    async with proxied(address.host, address.port) as proxy:
        through = DatabaseAddress(address.host, proxy.port, address.database, address.user, address.password, "disable")
        for (name, toxic), way in combinations:
            async with pool(through, stand.folder) as engine:
                await proxy.become()
                for connection in [await engine.connect() for _ in range(10)]:
                    await connection.close()  # ten that stand when the fault comes
                await proxy.become(Toxic(toxic.kind, toxic.value, frozenset({way})))
                async with lag() as late:
                    found = await asyncio.gather(*(_checkout(engine) for _ in range(each)))
                over += sum(wait > CHECKOUT_LIMIT_S * 1.1 + late() for wait, _ in found)
                worst[name] = max([worst.get(name, 0.0), *(wait for wait, _ in found)])
                outcomes.update(outcome for _, outcome in found)
                row.n += len(found)
                await proxy.become()
                row.recovered(await until(lambda engine=engine: _gets_one(engine), 20))
        row.say(await _default_config(through, proxy))
    row.waited(max(worst.values()))
    row.lost = outcomes.pop("silent", 0)
    row.expect(not over, f"{over} later than {CHECKOUT_LIMIT_S:g} s + 10 %")
    row.expect(set(outcomes) <= {"row", "typed"}, f"untyped: {dict(outcomes)}")
    row.say(f"{dict(outcomes)}; longest by fault: {', '.join(f'{name} {wait:.1f} s' for name, wait in worst.items())}")


async def _checkout(engine: AsyncEngine) -> tuple[float, str]:
    """How long until there was a connection or an error, and which."""
    began = time.monotonic()
    connection: AsyncConnection | None = None
    try:
        async with asyncio.timeout(4 * CHECKOUT_LIMIT_S):
            connection = await engine.connect()
    except TYPED as failure:
        took = time.monotonic() - began
        return took, "silent" if took > 3 * CHECKOUT_LIMIT_S and isinstance(failure, TimeoutError) else "typed"
    except Exception as failure:  # noqa: BLE001 - what is not typed is what is looked for
        return time.monotonic() - began, type(failure).__name__
    took = time.monotonic() - began
    with contextlib.suppress(*TYPED):
        await connection.close()
    return took, "row"


async def _gets_one(engine: AsyncEngine) -> bool:
    return (await _checkout(engine))[1] == "row"


async def _default_config(address: DatabaseAddress, proxy: ToxicProxy) -> str:
    """What the same fault does to SQLAlchemy and asyncpg as they come: shown beside ours, never a failure of ours."""
    url = f"postgresql+asyncpg://{address.user}:{address.password.reveal()}@{address.host}:{address.port}/{address.database}?ssl=disable"
    plain = create_async_engine(url, pool_pre_ping=True)
    await (await plain.connect()).close()
    await proxy.become(Toxic(Kind.TIMEOUT, 0.0))
    asking = asyncio.create_task(_checkout(plain))
    done, _ = await asyncio.wait({asking}, timeout=CHECKOUT_LIMIT_S * 1.1 + 1)
    await proxy.become()
    await asyncio.wait({asking}, timeout=20)
    await plain.dispose()
    return "default config: answered, too" if done else f"default config beside it: still silent after {CHECKOUT_LIMIT_S * 1.1 + 1:.1f} s"
