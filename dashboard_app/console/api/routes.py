"""The console's own calls: loader, breakers, queue, settings. Each names its action; the gate checks it before anything runs."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Request, Response

from dashboard_app.access.asking import address_of, principal_of, request_id_of
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
    DashboardAnswer,
    LoaderAnswer,
    QueueAnswer,
    RefreshAnswer,
    SettingsAnswer,
)
from dashboard_app.console.console import Console
from dashboard_app.console.wall import dashboard_json
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.errors import BreakerOpen, NotSignedIn, RateLimited
from dashboard_app.runtime.problem import problem
from dashboard_app.runtime.ratelimit import AddressLimit
from dashboard_app.runtime.routing import TAGGED, acts, strict_router


def build_routes(console: Console) -> APIRouter:
    """A router over one console, to be mounted beside the API of this instance."""
    router = strict_router("console")
    _add_loader(router, console)
    _add_breakers(router, console)
    _add_queue(router, console)
    _add_settings(router, console)
    _add_dashboard(router, console)
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
        principal = principal_of(request)
        if principal is None:
            raise NotSignedIn
        set_breaker, asked = console.holds.set, request_id_of(request)
        breaker = await set_breaker(principal, name, BreakerState(body.state), body.reason, until=body.until, request_id=asked)
        return breaker_detail_json(breaker)


def _add_queue(router: APIRouter, console: Console) -> None:
    """GET /api/v1/queue."""

    @router.get("/api/v1/queue", openapi_extra=acts("queue.read"), response_model=QueueAnswer, summary="The request queue in numbers")
    async def read_queue() -> dict[str, Any]:
        return queue_json(console.queue.figures())


def _add_settings(router: APIRouter, console: Console) -> None:
    """GET and PATCH /api/v1/settings."""

    @router.get(
        "/api/v1/settings",
        openapi_extra=acts("settings.read"),
        response_model=SettingsAnswer,
        responses={200: TAGGED},
        summary="Every setting",
    )
    async def read_settings(response: Response) -> dict[str, Any]:
        response.headers["ETag"] = _version_tag(console)
        return settings_json(console.live)

    @router.patch(
        "/api/v1/settings",
        openapi_extra=acts("settings.write"),
        response_model=SettingsAnswer,
        responses={
            200: TAGGED,
            409: {"description": "If-Match names an older version, or another change is being saved."},
            422: {"description": "An error per setting that is unknown, needs a restart, or is out of its bounds. Nothing has changed."},
        },
        summary="Change settings while running: all of them or none",
    )
    async def change_settings(
        request: Request,
        response: Response,
        changes: Annotated[
            dict[str, Any],
            Body(
                description="Name → value; null goes back to what was read at the start.",
                json_schema_extra={"minProperties": 1},
            ),
        ],
        if_match: Annotated[str | None, Header(max_length=100)] = None,
    ) -> dict[str, Any]:
        seen = None if if_match in (None, "*") else _version_in(str(if_match))
        await console.tuning.change(principal_of(request), changes, seen_version=seen, request_id=request_id_of(request))
        response.headers["ETag"] = _version_tag(console)
        return settings_json(console.live)


def _version_tag(console: Console) -> str:
    """The settings' version as an ETag."""
    return f'"settings-{console.live.version}"'


def _version_in(tag: str) -> int:
    """The version an ETag names; -1, which no version is, for anything else."""
    digits = tag.removeprefix("W/").strip('"').removeprefix("settings-")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else -1  # noqa: PLR2004 - no version has ten digits


def _add_dashboard(router: APIRouter, console: Console) -> None:
    """GET /api/admin/dashboard."""
    limit = AddressLimit("dashboard", console.settings.rate_limit_dashboard)

    @router.get(
        "/api/admin/dashboard",
        openapi_extra=acts("dashboard.read"),
        response_model=DashboardAnswer,
        responses={429: {"description": "More than RATE_LIMIT_DASHBOARD from this address; Retry-After says when again."}},
        summary="One snapshot for a wall screen",
    )
    async def read_dashboard(request: Request) -> Any:
        try:
            limit.hit(address_of(request))
        except RateLimited as refusal:
            headers = (("Retry-After", str(round(refusal.retry_after_s))),)
            return problem(429, refusal.code, refusal.detail, instance="/api/admin/dashboard", headers=headers)
        return await dashboard_json(console)
