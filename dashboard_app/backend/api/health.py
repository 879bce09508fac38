"""Does it live, is it ready, does its database answer: the calls that are open to everyone."""

import asyncio
from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Request, Response

from dashboard_app.backend.api.answers import answer
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.values import Answer
from dashboard_app.backend.guard.answers import stamp
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.runtime.problem import problem
from dashboard_app.runtime.routing import acts, strict_router
from dashboard_app.runtime.single_flight import SingleFlight

_PING_LIMIT_S = 2.0


class PingOut(Answer):
    """It answers."""

    status: Literal["ok"]


class ServiceOut(Answer):
    """The service and its database."""

    status: Literal["healthy"]
    database: Literal["connected"]
    timestamp: datetime


class ReadyOut(Answer):
    """It can serve."""

    status: Literal["ready"]


def health_routes(deps: ApiDeps) -> APIRouter:
    """`/api/v1/health/ping`, `/api/health`, `/livez`, `/readyz`."""
    router = strict_router("health")
    pings: SingleFlight[float] = SingleFlight()

    @router.get("/api/v1/health/ping", response_model=PingOut, openapi_extra=acts("health.ping"))
    async def ping() -> Response:
        """Answers without touching the database."""
        return answer({"status": "ok"})

    @router.get("/livez", response_model=PingOut, openapi_extra=acts("health.live"))
    async def livez() -> Response:
        """The process answers."""
        return answer({"status": "ok"})

    @router.get("/readyz", response_model=ReadyOut, openapi_extra=acts("health.live"))
    async def readyz(request: Request) -> Response:
        """It can serve; 503 with `reasons` while it cannot."""
        reasons = deps.readiness()
        if not reasons:
            return answer({"status": "ready"})
        return problem(503, "not_ready", "Not ready yet.", instance=request.url.path, headers=[("Retry-After", "1")], reasons=reasons)

    @router.get("/api/health", response_model=ServiceOut, openapi_extra=acts("health.live"))
    async def service_health(request: Request) -> Response:
        """The service and its database, asked over the control pool, once for all who ask meanwhile; 503 after 2 s without an answer."""
        try:
            async with asyncio.timeout(_PING_LIMIT_S):
                await pings.run("ping", deps.ping)
        except (DatabaseUnavailable, TimeoutError):
            detail = "The database does not answer."
            return problem(503, "service_unhealthy", detail, instance=request.url.path, headers=[("Retry-After", "2")])
        return answer({"status": "healthy", "database": "connected", "timestamp": stamp(deps.clock.now())})

    return router
