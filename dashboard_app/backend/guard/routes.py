"""The guard's calls as plain Starlette routes, for any service that mounts it. JSON as in Spillway's own API."""

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from dashboard_app.backend.guard.pool_guard import PoolGuard

PREFIX = "/api/v1/health/database"
Authorize = Callable[[Request, str], Awaitable[Response | None]]
"""Called with the request and the action (pool.status, pool.test, pool.holders, pool.history, pool.performance, pool.clients, pool.sizing,
pool.cleanup); None lets it pass."""
Answer = Callable[[Request], Awaitable[Response]]
Call = tuple[str, str, str, Answer]
"""Method, last part of the path, action, endpoint."""
_LEAST_MINUTES, _MOST_MINUTES, _MINUTES = 15, 60, 15
_BODY_BYTES = 1024


def problem(status: int, code: str, detail: str) -> JSONResponse:
    """A problem document (RFC 9457)."""
    body = {"type": "about:blank", "title": code.replace("_", " ").capitalize(), "status": status, "detail": detail, "code": code}
    return JSONResponse(body, status, media_type="application/problem+json")


def guard_routes(guard: "PoolGuard", authorize: Authorize) -> list[Route]:
    """One route per call, each behind `authorize`. Every answer carries `X-Throttle`."""

    async def status(_request: Request) -> Response:
        return JSONResponse(guard.status(call_sites=False))

    async def throttling_config(request: Request) -> Response:
        headers = {"ETag": guard.etag, "Cache-Control": "no-cache"}
        if matches(request.headers.get("if-none-match", ""), guard.etag):
            return Response(status_code=304, headers=headers)
        return JSONResponse(guard.config_json(call_sites=False), headers=headers)

    async def connection_test(_request: Request) -> Response:
        return JSONResponse(await guard.connection_test())

    async def holders(_request: Request) -> Response:
        return JSONResponse(guard.holders_json())

    async def history(request: Request) -> Response:
        asked = request.query_params.get("minutes", str(_MINUTES))
        if not (asked.isascii() and asked.isdigit() and _LEAST_MINUTES <= int(asked[:4]) <= _MOST_MINUTES):
            return problem(422, "invalid_input", f"minutes: a whole number from {_LEAST_MINUTES} to {_MOST_MINUTES}")
        return JSONResponse(guard.history(int(asked)))

    async def force_cleanup(request: Request) -> Response:
        dry_run = _dry_run(await request.body())
        if dry_run is None:
            return problem(422, "invalid_input", 'the body is empty or {"dry_run": true or false}')
        return JSONResponse((await guard.cleanup(dry_run=dry_run)).to_json())

    table: list[Call] = [
        ("GET", "status", "pool.status", status),
        ("GET", "throttling-config", "pool.status", throttling_config),
        ("GET", "connection-test", "pool.test", connection_test),
        ("GET", "holders", "pool.holders", holders),
        ("GET", "history", "pool.history", history),
        *_measured(guard),
        ("POST", "force-cleanup", "pool.cleanup", force_cleanup),
    ]
    return [
        Route(f"{PREFIX}/{path}", _behind(guard, authorize, action, answer), methods=[method], name=path)
        for method, path, action, answer in table
    ]


def _measured(guard: "PoolGuard") -> list[Call]:
    """What the guard has measured. Performance and clients are empty unless `guard.watched(app)` stands in front."""

    async def performance(_request: Request) -> Response:
        return JSONResponse(guard.insight.performance_json())

    async def clients(_request: Request) -> Response:
        return JSONResponse(guard.insight.clients_json())

    async def sizing(_request: Request) -> Response:
        return JSONResponse(await guard.insight.sizing_json())

    return [
        ("GET", "performance", "pool.performance", performance),
        ("GET", "clients", "pool.clients", clients),
        ("GET", "sizing", "pool.sizing", sizing),
    ]


def matches(if_none_match: str, etag: str) -> bool:
    """True when an If-None-Match header names `etag`; weak comparison (RFC 9110, 13.1.2)."""
    wanted = etag.removeprefix("W/")
    return any(part.strip() == "*" or part.strip().removeprefix("W/") == wanted for part in if_none_match.split(","))


def _behind(guard: "PoolGuard", authorize: Authorize, action: str, answer: Answer) -> Answer:
    """The endpoint with the door in front of it."""

    async def endpoint(request: Request) -> Response:
        response = await authorize(request, action) or await answer(request)
        response.headers["X-Throttle"] = guard.hint()
        return response

    return endpoint


def _dry_run(body: bytes) -> bool | None:
    """What the body asks for: an empty one is a real cleanup; None when it says anything else."""
    if not body.strip():
        return False
    try:
        asked = json.loads(body) if len(body) <= _BODY_BYTES else None
    except ValueError:
        return None
    if not isinstance(asked, dict) or set(asked) - {"dry_run"}:
        return None
    value = asked.get("dry_run", False)
    return value if isinstance(value, bool) else None
