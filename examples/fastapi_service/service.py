"""Orders: a small FastAPI service on asyncpg whose pool is guarded. The guard is the three lines marked so."""

import asyncio
import math
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard_app.backend.guard import ControlView, GuardLimits, PoolGuard
from dashboard_app.model.errors import DatabaseUnavailable, Reclaimed

NAME = "orders"
"""The application_name of the guarded connections: the guard ends sessions of this name only."""
TOKEN = os.environ.get("ORDERS_TOKEN", "")
LIMITS = GuardLimits(
    leak_threshold_s=float(os.environ.get("ORDERS_LEAK_THRESHOLD_S", "60")),
    auto_cleanup=os.environ.get("ORDERS_AUTO_CLEANUP", "true") == "true",
)


def engine_for(application_name: str, *, size: int, overflow: int) -> AsyncEngine:
    """An engine whose driver gives up on a silent server after two seconds; asyncpg's own default is never."""
    return create_async_engine(
        os.environ["ORDERS_DATABASE_URL"],  # postgresql+asyncpg://user:password@host/database
        pool_size=size,
        max_overflow=overflow,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={"timeout": 2, "command_timeout": 2, "server_settings": {"application_name": application_name}},
    )


engine = engine_for(NAME, size=5, overflow=5)
control = engine_for(f"{NAME}-control", size=1, overflow=1)
guard = PoolGuard(engine, LIMITS, server=ControlView(control, NAME))  # the guard, 1 of 3


async def authorize(request: Request, action: str) -> Response | None:
    """How full the pool is may be known to everyone; everything else needs the token."""
    given = request.headers.get("authorization", "")
    if action == "pool.status" or (TOKEN and secrets.compare_digest(given.encode(), f"Bearer {TOKEN}".encode())):
        return None
    return JSONResponse({"detail": f"{action} needs the token"}, 401, {"WWW-Authenticate": "Bearer"})


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """The table and the guard's monitor, for as long as the service runs."""
    async with engine.begin() as connection:
        await connection.execute(
            text("CREATE TABLE IF NOT EXISTS orders (id bigserial PRIMARY KEY, item text NOT NULL, amount int NOT NULL)")
        )
    monitor = asyncio.create_task(guard.run())  # the guard, 2 of 3
    yield
    monitor.cancel()
    with suppress(asyncio.CancelledError):
        await monitor
    await engine.dispose()
    await control.dispose()


app = FastAPI(title="Orders", lifespan=lifespan)
app.routes.extend(guard.routes(authorize))  # the guard, 3 of 3
lost: list[AsyncConnection] = []
"""What the leaky route below never gives back."""


@app.exception_handler(DatabaseUnavailable)
@app.exception_handler(PoolTimeout)
@app.exception_handler(Reclaimed)
async def no_connection(_request: Request, error: Exception) -> Response:
    """There was no connection to work with, or the guard took it back."""
    wait_s = getattr(error, "retry_after_s", 1.0)
    return JSONResponse({"detail": "No connection to the database is free."}, 503, {"Retry-After": f"{math.ceil(wait_s)}"})


class Named:
    """Names what a request checks out by its route, and tells every client how fast it may come back."""

    def __init__(self, inner: ASGIApp) -> None:
        """Wrap the app."""
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def send_with_hint(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Throttle"] = guard.hint()
            await send(message)

        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        with guard.holding(task="request", route=f"{scope['method']} {scope['path']}"):
            await self._inner(scope, receive, send_with_hint)


app.add_middleware(Named)


async def connected() -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction, through the guard's door: refused at once when the pool is full."""
    async with guard.admission(), engine.begin() as connection:
        yield connection


Connected = Annotated[AsyncConnection, Depends(connected)]


class Order(BaseModel):
    """What is ordered, and how many."""

    item: str = Field(min_length=1, max_length=100)
    amount: int = Field(ge=1, le=1000)


@app.post("/orders", status_code=201)
async def place(order: Order, connection: Connected) -> dict[str, int]:
    """Place an order."""
    statement = text("INSERT INTO orders (item, amount) VALUES (:item, :amount) RETURNING id")
    return {"id": (await connection.execute(statement, order.model_dump())).scalar_one()}


@app.get("/orders/{order_id}")
async def show(order_id: int, connection: Connected) -> dict[str, str | int]:
    """One order."""
    row = (await connection.execute(text("SELECT id, item, amount FROM orders WHERE id = :id"), {"id": order_id})).one_or_none()
    if row is None:
        raise HTTPException(404, "There is no such order.")
    return {"id": row.id, "item": row.item, "amount": row.amount}


@app.get("/report")
async def report(connection: Connected, seconds: Annotated[float, Field(ge=0, le=1.5)] = 0.5) -> dict[str, int]:
    """A slow query, to see a holder that is at work: cleanup never touches it."""
    statement = text("SELECT count(*) FROM orders, pg_sleep(:seconds)")
    return {"orders": (await connection.execute(statement, {"seconds": seconds})).scalar_one()}


@app.post("/export")
async def export() -> dict[str, int]:
    """The bug to try things with: each call opens a transaction and forgets it, so each takes one connection from the pool for good."""
    connection = await engine.connect()
    await connection.execute(text("SELECT count(*) FROM orders"))
    lost.append(connection)
    return {"lost": len(lost)}
