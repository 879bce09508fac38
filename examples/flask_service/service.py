"""Orders in Flask: sync code, a QueuePool and psycopg, guarded. The guard is the three lines marked so.

The guard's monitor and calls live on the event loop of the server, Flask on threads beside it (a2wsgi). So the guard answers while every
thread of Flask waits for a connection, which is when it is needed; a guard behind the WSGI server would wait with them.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from a2wsgi import WSGIMiddleware
from flask import Flask, abort, request
from flask import Response as FlaskResponse
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount

from dashboard_app.backend.guard import ControlView, GuardLimits, PoolGuard
from dashboard_app.model.errors import Reclaimed

NAME = "orders-flask"
"""The application_name of the guarded connections: the guard ends sessions of this name only."""
TOKEN = os.environ.get("ORDERS_TOKEN", "")
THREADS = 12
"""Requests that Flask works on at once: the sync service's own bound."""
LIMITS = GuardLimits(
    leak_threshold_s=float(os.environ.get("ORDERS_LEAK_THRESHOLD_S", "60")),
    auto_cleanup=os.environ.get("ORDERS_AUTO_CLEANUP", "true") == "true",
)


def engine_for(application_name: str, *, size: int, overflow: int) -> Engine:
    """An engine that gives up on a server that cannot be reached, on statements that run long, and on a network that went silent."""
    return create_engine(
        os.environ["ORDERS_DATABASE_URL"],  # postgresql+psycopg://user:password@host/database
        pool_size=size,
        max_overflow=overflow,
        pool_timeout=1,
        pool_pre_ping=True,
        connect_args={
            "application_name": application_name,
            "connect_timeout": 2,
            "tcp_user_timeout": 2000,
            "options": "-c statement_timeout=2000",
        },
    )


engine = engine_for(NAME, size=5, overflow=5)
control = engine_for(f"{NAME}-control", size=1, overflow=1)
guard = PoolGuard(engine, LIMITS, server=ControlView(control, NAME))  # the guard, 1 of 3
flask = Flask("orders")
lost: list[Connection] = []
"""What the leaky route below never gives back."""


class Named:
    """Names what a request checks out by its route."""

    def __init__(self, inner: WSGIApplication) -> None:
        """Wrap the app."""
        self._inner = inner

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass a request on."""
        with guard.holding(task="request", route=f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"):
            return self._inner(environ, start_response)


flask.wsgi_app = Named(flask.wsgi_app)


@flask.after_request
def hint(response: FlaskResponse) -> FlaskResponse:
    """Tell every client how fast it may come back."""
    response.headers["X-Throttle"] = guard.hint()
    return response


@flask.errorhandler(PoolTimeout)
@flask.errorhandler(Reclaimed)
def no_connection(_error: Exception) -> ResponseReturnValue:
    """There was no connection to work with, or the guard took it back."""
    return {"detail": "No connection to the database is free."}, 503, {"Retry-After": "1"}


@flask.post("/orders")
def place() -> ResponseReturnValue:
    """Place an order."""
    order = request.get_json()
    with engine.begin() as connection:
        statement = text("INSERT INTO orders (item, amount) VALUES (:item, :amount) RETURNING id")
        return {"id": connection.execute(statement, {"item": str(order["item"]), "amount": int(order["amount"])}).scalar_one()}, 201


@flask.get("/orders/<int:order_id>")
def show(order_id: int) -> ResponseReturnValue:
    """One order."""
    with engine.begin() as connection:
        row = connection.execute(text("SELECT id, item, amount FROM orders WHERE id = :id"), {"id": order_id}).one_or_none()
    return abort(404) if row is None else {"id": row.id, "item": row.item, "amount": row.amount}


@flask.get("/report")
def report() -> ResponseReturnValue:
    """A slow query, to see a holder that is at work: cleanup never touches it."""
    with engine.begin() as connection:
        statement = text("SELECT count(*) FROM orders, pg_sleep(:seconds)")
        return {"orders": connection.execute(statement, {"seconds": min(float(request.args.get("seconds", "0.5")), 1.5)}).scalar_one()}


@flask.post("/export")
def export() -> ResponseReturnValue:
    """The bug to try things with: each call opens a transaction and forgets it, so each takes one connection from the pool for good."""
    connection = engine.connect()
    connection.execute(text("SELECT count(*) FROM orders"))
    lost.append(connection)
    return {"lost": len(lost)}


async def authorize(asked: Request, action: str) -> Response | None:
    """How full the pool is may be known to everyone; everything else needs the token."""
    given = asked.headers.get("authorization", "")
    if action == "pool.status" or (TOKEN and secrets.compare_digest(given.encode(), f"Bearer {TOKEN}".encode())):
        return None
    return JSONResponse({"detail": f"{action} needs the token"}, 401, {"WWW-Authenticate": "Bearer"})


def make_table() -> None:
    """Make the one table."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS orders (id bigserial PRIMARY KEY, item text NOT NULL, amount int NOT NULL)"))


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    """The table and the guard's monitor, for as long as the service runs."""
    await asyncio.to_thread(make_table)
    monitor = asyncio.create_task(guard.run())  # the guard, 2 of 3
    yield
    monitor.cancel()
    with suppress(asyncio.CancelledError):
        await monitor
    engine.dispose()
    control.dispose()


routes = [*guard.routes(authorize), Mount("/", WSGIMiddleware(flask, workers=THREADS))]  # the guard, 3 of 3
app = Starlette(routes=routes, lifespan=lifespan)
