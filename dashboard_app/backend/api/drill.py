"""The drill: real load on the demo's own pool. These calls exist only in the demo."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field, StrictInt
from starlette.types import ASGIApp

from dashboard_app.access.asking import request_id_of
from dashboard_app.backend.api.answers import answer
from dashboard_app.backend.api.caller import audited, signed_in
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.values import Answer, Body
from dashboard_app.backend.drill.burst import burst
from dashboard_app.backend.drill.holds import HoldKind, Holds
from dashboard_app.backend.drill.outage import Outage
from dashboard_app.runtime.routing import acts, strict_router

_PATH = "/api/v1/drill"
Duration = Annotated[float, Field(strict=True, ge=0, le=3600, allow_inf_nan=False)]


class HoldIn(Body):
    """How many connections, how long, doing what. `connections` 0 gives back all that drills hold."""

    connections: Annotated[StrictInt, Field(ge=0, le=1000)] = 28
    seconds: Duration = 30.0
    kind: HoldKind = "leak"


class HoldOut(Answer):
    """How many are held now, of those asked for."""

    held: int


class BurstIn(Body):
    """How many requests."""

    requests: Annotated[StrictInt, Field(ge=1, le=2000)] = 40


class BurstOut(Answer):
    """How many requests got which status."""

    requests: int
    answers: dict[str, int]
    duration_ms: float


class FailIn(Body):
    """How long; 0 ends it."""

    seconds: Duration = 60.0


class FailOut(Answer):
    """How long it lasts from now."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drill:
    """What the demo's drills work on. `api` gives the app that bursts go through."""

    holds: Holds
    outage: Outage
    api: Callable[[], ASGIApp]


def drill_routes(deps: ApiDeps, drill: Drill) -> APIRouter:
    """`POST /api/v1/drill/{hold,burst,fail}`."""
    router = strict_router("drill")

    @router.post(f"{_PATH}/hold", response_model=HoldOut, openapi_extra=acts("drill.run"))
    async def hold(request: Request, body: HoldIn) -> Response:
        """Take connections from the guarded pool past admission; answers when they are held. Holds may overlap."""
        async with audited(deps, request, "drill.run", "hold", body.model_dump()) as noted:
            if body.connections == 0:
                await drill.holds.release()
                held = 0
            else:
                held = await drill.holds.take(body.connections, body.seconds, body.kind)
            noted["held"] = held
        return answer({"held": held})

    @router.post(f"{_PATH}/burst", response_model=BurstOut, openapi_extra=acts("drill.run"))
    async def send_burst(request: Request, body: BurstIn) -> Response:
        """Ask for the list of sources many times at once, with admission; answers how many got which status."""
        principal = signed_in(request, "drill.run")
        async with audited(deps, request, "drill.run", "burst", body.model_dump()) as noted:
            result = await burst(drill.api(), body.requests, principal, request_id_of(request))
            noted["answers"] = result["answers"]
        return answer(result)

    @router.post(f"{_PATH}/fail", response_model=FailOut, openapi_extra=acts("drill.run"))
    async def fail(request: Request, body: FailIn) -> Response:
        """Answer 503, code `drill`, to every `/scan/` call for so long."""
        async with audited(deps, request, "drill.run", "fail", body.model_dump()):
            drill.outage.begin(body.seconds)
        return answer({"seconds": body.seconds})

    return router
