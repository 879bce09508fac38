"""The console's own calls: loader, breakers, queue, settings. Each names its action; the gate checks it before anything runs."""

from typing import Any

from fastapi import APIRouter, Request, Response

from dashboard_app.access import visit
from dashboard_app.console.api.present import (
    breaker_detail_json,
    breaker_json,
    loader_json,
    queue_json,
    settings_json,
    stamp,
)
from dashboard_app.console.api.schemas import (
    BreakerDetailAnswer,
    BreakersAnswer,
    BreakerStateIn,
    LoaderAnswer,
    QueueAnswer,
    RefreshAnswer,
    SettingsAnswer,
)
from dashboard_app.console.console import Console
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.errors import BreakerOpen, NotSignedIn
from dashboard_app.runtime.problem import problem
from dashboard_app.runtime.routing import acts, strict_router


def build_routes(console: Console) -> APIRouter:
    """A router over one console, to be mounted beside the API of this instance."""
    router = strict_router("console")
    _add_loader(router, console)
    _add_breakers(router, console)
    _add_queue(router, console)
    _add_settings(router, console)
    return router


def _add_loader(router: APIRouter, console: Console) -> None:
    """GET /api/v1/loader, POST /api/v1/loader/refresh."""

    @router.get("/api/v1/loader", openapi_extra=acts("loader.read"), response_model=LoaderAnswer, summary="The loader's progress")
    async def read_loader() -> dict[str, Any]:
        return loader_json(console.loader.progress())

    @router.post(
        "/api/v1/loader/refresh",
        openapi_extra=acts("loader.refresh"),
        response_model=RefreshAnswer,
        status_code=202,
        responses={409: {"description": "The circuit breaker is open; `retry_at` says when it is tried."}},
        summary="Start a round, or join the one under way",
    )
    async def refresh() -> Any:
        try:
            return {"joined": console.loader.refresh()}
        except BreakerOpen as refusal:
            return _breaker_is_open(console, refusal)


def _breaker_is_open(console: Console, refusal: BreakerOpen) -> Response:
    """409 with the time of the next trial."""
    retry_at = stamp(console.breakers["api"].reading().retry_at)
    headers = (("Retry-After", str(max(round(refusal.retry_after_s), 1))),)
    return problem(409, refusal.code, refusal.detail, instance="/api/v1/loader/refresh", headers=headers, retry_at=retry_at)


def _add_breakers(router: APIRouter, console: Console) -> None:
    """GET /api/v1/breakers, GET /api/v1/breakers/{name}, POST /api/v1/breakers/{name}/state."""

    @router.get("/api/v1/breakers", openapi_extra=acts("breakers.read"), response_model=BreakersAnswer, summary="Every circuit breaker")
    async def list_breakers() -> dict[str, Any]:
        return {"items": [breaker_json(breaker.reading()) for breaker in console.breakers]}

    @router.get(
        "/api/v1/breakers/{name}",
        openapi_extra=acts("breakers.read"),
        response_model=BreakerDetailAnswer,
        responses={404: {"description": "There is no breaker of this name."}},
        summary="One circuit breaker with its history",
    )
    async def read_breaker(name: str) -> dict[str, Any]:
        return breaker_detail_json(console.breakers[name])

    @router.post(
        "/api/v1/breakers/{name}/state",
        openapi_extra=acts("breakers.write"),
        response_model=BreakerDetailAnswer,
        responses={404: {"description": "There is no breaker of this name."}},
        summary="Hold a breaker open, close it, switch it off or let it only watch",
    )
    async def set_state(name: str, body: BreakerStateIn, request: Request) -> dict[str, Any]:
        principal = request.scope.get(visit.PRINCIPAL)
        if principal is None:
            raise NotSignedIn
        request_id = str(request.scope.get(visit.REQUEST_ID, ""))
        set_breaker = console.holds.set
        breaker = await set_breaker(principal, name, BreakerState(body.state), body.reason, until=body.until, request_id=request_id)
        return breaker_detail_json(breaker)


def _add_queue(router: APIRouter, console: Console) -> None:
    """GET /api/v1/queue."""

    @router.get("/api/v1/queue", openapi_extra=acts("queue.read"), response_model=QueueAnswer, summary="The request queue in numbers")
    async def read_queue() -> dict[str, Any]:
        return queue_json(console.queue.figures())


def _add_settings(router: APIRouter, console: Console) -> None:
    """GET /api/v1/settings."""

    @router.get("/api/v1/settings", openapi_extra=acts("settings.read"), response_model=SettingsAnswer, summary="Every setting")
    async def read_settings() -> dict[str, Any]:
        return settings_json(console.settings, console.origins)
