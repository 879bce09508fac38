"""A real guard on a small pool behind a real HTTP server, for probes to look at."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from sqlalchemy import Connection, Engine, QueuePool, create_engine, text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount

from dashboard_app.backend.guard import GuardLimits, PoolGuard

TOKEN = "a-token-for-tests"
CAPACITY = 10


@dataclass
class Served:
    """A served guard; `asked` names each request's method, path and Host header."""

    guard: PoolGuard
    engine: Engine
    port: int = 0
    held: list[Connection] = field(default_factory=list)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def hold(self, count: int, *, busy: bool = False) -> None:
        """Take connections and do not give them back."""
        for _ in range(count):
            connection = self.engine.connect()
            self.held.append(connection)
            if busy:
                connection.execute(text("SELECT 1"))

    def release(self) -> None:
        """Give them all back."""
        while self.held:
            self.held.pop().close()


@contextlib.asynccontextmanager
async def served_guard(
    base_path: str = "", *, public_status: bool = True, certificate: Path | None = None, leak_threshold_s: float = 60.0
) -> AsyncIterator[Served]:
    """A guard of a pool of 6 + 4, its calls behind TOKEN (the status too, unless it is public)."""
    engine = create_engine(
        "sqlite://", poolclass=QueuePool, pool_size=6, max_overflow=4, pool_timeout=0.1, connect_args={"check_same_thread": False}
    )
    served = Served(PoolGuard(engine, GuardLimits(leak_threshold_s=leak_threshold_s, auto_cleanup=False)), engine)

    async def authorize(request: Request, action: str) -> Response | None:
        served.asked.append((request.method, request.url.path, request.headers["host"]))
        if (public_status and action == "pool.status") or request.headers.get("authorization") == f"Bearer {TOKEN}":
            return None
        return JSONResponse({"detail": "no"}, 401)

    routes = served.guard.routes(authorize)
    app = Starlette(routes=[Mount(base_path, routes=routes)] if base_path else routes)
    tls = {"ssl_certfile": str(certificate), "ssl_keyfile": str(certificate)} if certificate else {}
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off", ssl_version=ssl.PROTOCOL_TLS_SERVER, **tls)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    served.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.should_exit = server.force_exit = True
        await server.shutdown()
        served.release()
        engine.dispose()
