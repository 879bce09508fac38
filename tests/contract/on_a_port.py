"""The API behind a real server on a port, for what an in-process client cannot see: streams and WebSockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from dashboard_app.model.user import Principal, PrincipalKind, Role

START_S = 20


def as_the_gate(app: Any) -> Any:
    """`app` behind a stand-in for the gate: the query-free header `x-as` names `kind role who`, and nobody without it."""

    async def gate(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in {"http", "websocket"}:
            said = next((value.decode() for name, value in scope["headers"] if name == b"x-as"), "")
            kind, role, who = said.split() if said else ("", "", "")
            principal = Principal(PrincipalKind(kind), who, Role(role), session_id=who) if said else None
            scope = {**scope, "spillway.principal": principal, "spillway.request_id": "r-1"}
        await app(scope, receive, send)

    return gate


@asynccontextmanager
async def on_a_port(app: Any) -> AsyncIterator[str]:
    """`127.0.0.1:port`, with the stand-in for the gate in front."""
    async with served_on_a_port(as_the_gate(app)) as where:
        yield where


@asynccontextmanager
async def served_on_a_port(app: Any, port: int = 0) -> AsyncIterator[str]:
    """`127.0.0.1:port`, served with the options of `serve`."""
    config = uvicorn.Config(app, port=port, ws="wsproto", lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[method-assign]
    serving = asyncio.create_task(server._serve())
    async with asyncio.timeout(START_S):
        while not server.started:  # noqa: ASYNC110 - the server sets no event
            await asyncio.sleep(0.01)
    try:
        yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
