"""The guard's calls: none of them takes a connection from the guarded pool, the connection test excepted."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from dashboard_app.access.asking import principal_of
from dashboard_app.backend.api.answers import answer
from dashboard_app.backend.api.caller import audited, signed_in
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.insight_schemas import ClientsOut, PerformanceOut, SizingOut
from dashboard_app.backend.api.pool_schemas import (
    CleanupIn,
    CleanupOut,
    ConnectionTestOut,
    HoldersOut,
    PoolHistoryOut,
    PoolHistoryQuery,
    StatusOut,
    ThrottlingOut,
)
from dashboard_app.runtime.routing import TAGGED, acts, strict_router

_PATH = "/api/v1/health/database"


def pool_routes(deps: ApiDeps) -> APIRouter:
    """The routes under `/api/v1/health/database`."""
    router = strict_router("pool")
    _add_reading(router, deps)
    _add_measured(router, deps)
    _add_doing(router, deps)
    return router


def _add_reading(router: APIRouter, deps: ApiDeps) -> None:
    """Status, throttling-config, holders, history."""

    @router.get(f"{_PATH}/status", response_model=StatusOut, openapi_extra=acts("pool.status"))
    async def pool_status(request: Request) -> Response:
        """How full the pool is, and what follows from it. Reasons name call sites only to people who are signed in."""
        return answer(deps.guard.status(call_sites=principal_of(request) is not None))

    @router.get(
        f"{_PATH}/throttling-config",
        response_model=ThrottlingOut,
        openapi_extra=acts("pool.status", If_None_Match="ETags that are known already; `*` is any."),
        responses={
            200: TAGGED,
            304: TAGGED | {"description": "Nothing changed since the ETag in If-None-Match."},
        },
    )
    async def throttling_config(request: Request) -> Response:
        """What a client may send now. `version` grows with every change, and with it the ETag."""
        tag = deps.guard.etag
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        seen = request.headers.get("if-none-match")
        if seen is not None and _has_tag(seen, tag):
            return Response(status_code=304, headers=headers)
        return answer(deps.guard.config_json(call_sites=principal_of(request) is not None), headers=headers)

    @router.get(f"{_PATH}/holders", response_model=HoldersOut, openapi_extra=acts("pool.holders"))
    async def holders(request: Request) -> Response:
        """Who holds connections, and which code checks them out."""
        signed_in(request, "pool.holders")
        return answer(deps.guard.holders_json())

    @router.get(f"{_PATH}/history", response_model=PoolHistoryOut, openapi_extra=acts("pool.history"))
    async def pool_history(request: Request, query: Annotated[PoolHistoryQuery, Query()]) -> Response:
        """Usage and waits of the last minutes, and what happened in them."""
        signed_in(request, "pool.history")
        return answer(deps.guard.history(query.minutes))


def _add_measured(router: APIRouter, deps: ApiDeps) -> None:
    """Performance, clients, sizing."""

    @router.get(f"{_PATH}/performance", response_model=PerformanceOut, openapi_extra=acts("pool.performance"))
    async def performance(request: Request) -> Response:
        """Response times and errors per route over the last 15 minutes, the worst first; and how the pool served its checkouts."""
        signed_in(request, "pool.performance")
        return answer(deps.guard.insight.performance_json())

    @router.get(f"{_PATH}/clients", response_model=ClientsOut, openapi_extra=acts("pool.clients"))
    async def clients(request: Request) -> Response:
        """Which clients act on which version of the throttling-config; who does not follow first."""
        signed_in(request, "pool.clients")
        return answer(deps.guard.insight.clients_json())

    @router.get(f"{_PATH}/sizing", response_model=SizingOut, openapi_extra=acts("pool.sizing"))
    async def sizing(request: Request) -> Response:
        """The wait that pools of 5 to 100 connections would have given to the work of the last hour, and the smallest that is enough."""
        signed_in(request, "pool.sizing")
        return answer(await deps.guard.insight.sizing_json())


def _add_doing(router: APIRouter, deps: ApiDeps) -> None:
    """Connection test, cleanup."""
    test = _OneAtATime(deps)

    @router.get(f"{_PATH}/connection-test", response_model=ConnectionTestOut, openapi_extra=acts("pool.test"))
    async def connection_test() -> Response:
        """Take one connection from the pool and ask the server something. Callers who come while one runs share its answer."""
        return answer(await test.run())

    @router.post(f"{_PATH}/force-cleanup", response_model=CleanupOut, response_model_exclude_none=True, openapi_extra=acts("pool.cleanup"))
    async def force_cleanup(request: Request, body: CleanupIn | None = None) -> Response:
        """Free the pool: close idle connections, take back lost ones, end this app's own idle transactions. A dry run only lists."""
        signed_in(request, "pool.cleanup")
        if body is not None and body.dry_run:
            return answer((await deps.guard.cleanup(dry_run=True)).to_json())
        async with audited(deps, request, "pool.cleanup", "pool", needs_proof=True) as noted:
            report = await deps.guard.cleanup(dry_run=False)
            noted.update(report.audit_json())
        return answer(report.to_json())


def _has_tag(given: str, tag: str) -> bool:
    """True when an `If-None-Match` header names `tag` (weakly compared, RFC 9110) or `*`."""
    wanted = {tag.removeprefix("W/"), "*"}
    return any(one.strip().removeprefix("W/") in wanted for one in given.split(","))


class _OneAtATime:
    """The connection test: one runs, whoever comes meanwhile gets its answer."""

    def __init__(self, deps: ApiDeps) -> None:
        """Nothing runs yet."""
        self._deps = deps
        self._running: asyncio.Task[dict[str, Any]] | None = None

    async def run(self) -> dict[str, Any]:
        """The answer of the test that runs, or of a new one. A caller who leaves does not end it for the others."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._deps.guard.connection_test())
        return await asyncio.shield(self._running)
