"""The guard of a watched service, through here: its status, who holds its connections, and a cleanup with its audit row."""

from typing import Any

from fastapi import APIRouter, Request, Response

from dashboard_app.backend.api.answers import answer
from dashboard_app.backend.api.caller import audited, signed_in
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.pool_schemas import CleanupIn, CleanupOut, HoldersOut, StatusOut
from dashboard_app.backend.api.values import PathId
from dashboard_app.runtime.routing import acts, strict_router

_PATH = "/scan/data-sources/{source_id}/guard"
_FAILURES: dict[int | str, dict[str, Any]] = {
    409: {"description": "The source is paused: it is not asked."},
    502: {"description": "The service does not answer, not as a guard does, or not to this token; `detail` says which."},
    503: {"description": "The service's breaker is open: it was not asked. `Retry-After` says when it is worth asking again."},
}
_FREED = ("closed_idle", "reclaimed", "terminated_backends")


def watched_routes(deps: ApiDeps) -> APIRouter:
    """The routes under `/scan/data-sources/{id}/guard`; 404 for a source that is no service, 409 while it is paused, 502 when it fails."""
    router = strict_router("watched services")

    @router.get(f"{_PATH}/status", response_model=StatusOut, responses=_FAILURES, openapi_extra=acts("sources.read"))
    async def guard_status(source_id: PathId) -> Response:
        """How full the service's pool is now."""
        return answer(await (await deps.probing.service(source_id)).guard_status())

    @router.get(f"{_PATH}/holders", response_model=HoldersOut, responses=_FAILURES, openapi_extra=acts("pool.holders"))
    async def guard_holders(request: Request, source_id: PathId) -> Response:
        """Who holds connections of the service, and which of its code checks them out."""
        signed_in(request, "pool.holders")
        return answer(await (await deps.probing.service(source_id)).guard_holders())

    @router.post(
        f"{_PATH}/force-cleanup",
        response_model=CleanupOut,
        response_model_exclude_none=True,
        responses=_FAILURES,
        openapi_extra=acts("pool.cleanup"),
    )
    async def guard_cleanup(request: Request, source_id: PathId, body: CleanupIn | None = None) -> Response:
        """Have the service free its pool, or say what that would do. The audit row here names who asked; the service knows its token only."""
        signed_in(request, "pool.cleanup")
        source = await deps.sources.get(source_id)
        if body is not None and body.dry_run:
            return answer(await (await deps.probing.service(source_id)).guard_cleanup(dry_run=True))
        async with audited(deps, request, "pool.cleanup", f"{source.name} (source {source_id})", needs_proof=True) as noted:
            report = await (await deps.probing.service(source_id)).guard_cleanup(dry_run=False)
            noted.update({name: report[name] for name in _FREED})
        return answer(report)

    return router
