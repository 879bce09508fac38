"""The reads that clients and load balancers send most often, answered past FastAPI's router: they need nothing but the request.

The routes themselves stay where they are documented and described; this layer only finds their endpoints sooner. What carries a body, asks
with another method or names another path goes the usual way.
"""

import logging
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard_app.backend.api.problems import LastResort, unforeseen
from dashboard_app.backend.guard.performance import LEFT
from dashboard_app.backend.guard.watched import Watched

log = logging.getLogger(__name__)

PATHS = frozenset(
    {
        "/api/v1/health/ping",
        "/livez",
        "/readyz",
        "/api/health",
        "/api/v1/health/database/status",
        "/api/v1/health/database/throttling-config",
    }
)
_BODY = frozenset({b"content-length", b"transfer-encoding"})
_CLIENT = b"x-throttle-client"
_NONE: frozenset[bytes] = frozenset()
Endpoint = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Call:
    """One route: `route` goes into the scope, as the router would put it."""

    route: APIRoute
    endpoint: Endpoint
    takes_request: bool

    def response(self, scope: Scope, receive: Receive) -> Awaitable[Response]:
        """What the endpoint answers."""
        return self.endpoint(Request(scope, receive)) if self.takes_request else self.endpoint()


class Direct:
    """Pure ASGI in front of the API. What it answers counts as all other answers do, and fails as they do."""

    def __init__(self, app: FastAPI, measured: Callable[[ASGIApp], Watched]) -> None:
        """Find the endpoints among the routes of `app`. `measured` is what stands round the usual way, too."""
        self._app = app
        self._calls = _calls_of(app)
        self._watched = measured(LastResort(self._answer))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        call = self._calls.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        given = frozenset(name for name, _ in scope["headers"]) if call is not None else _NONE
        if call is None or given & _BODY:
            await self._app(scope, receive, send)
        elif _CLIENT in given:
            await self._watched(scope, receive, send)
        else:
            await self._unnamed(call, scope, receive, send)

    async def _unnamed(self, call: _Call, scope: Scope, receive: Receive, send: Send) -> None:
        """One call of a client that does not name itself: its answer is whole before it is sent, so nothing need watch its pieces."""
        began = perf_counter()
        scope["route"] = call.route
        try:
            response = await call.response(scope, receive)
        except CancelledError:
            self._watched.note(scope, LEFT, perf_counter() - began)
            raise
        except Exception:  # the edge of the process, as LastResort
            log.exception("GET %s failed, reference %s", scope["path"], scope.get("spillway.request_id", ""))
            response = unforeseen(scope)
        await response(scope, receive, send)
        self._watched.note(scope, response.status_code, perf_counter() - began)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call, inside what measures it and answers its failures."""
        call = self._calls[scope["path"]]
        scope["route"] = call.route
        response = await call.response(scope, receive)
        await response(scope, receive, send)


def _calls_of(app: FastAPI) -> Mapping[str, _Call]:
    """The short calls by path: only routes whose endpoint takes the request at most."""
    found = {}
    for context in iter_route_contexts(app.routes):
        route, path = context.original_route, context.path or ""
        if not isinstance(route, APIRoute) or path not in PATHS:
            continue
        needs = route.dependant
        if any((needs.query_params, needs.header_params, needs.cookie_params, needs.body_params, needs.path_params, needs.dependencies)):
            continue
        found[path] = _Call(route, route.endpoint, needs.request_param_name is not None)
    return found
