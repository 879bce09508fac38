"""Who did what to what."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, model_validator

from dashboard_app.backend.api.answers import answer
from dashboard_app.backend.api.caller import signed_in
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.values import Answer, Moment, Parameters, Search
from dashboard_app.runtime.routing import acts, strict_router


class AuditQuery(Parameters):
    """Which rows."""

    actor: Search | None = None
    action: Search | None = None
    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = Field(default=None, alias="to")
    limit: int = Field(default=100, ge=1, le=500)
    before: int | None = Field(default=None, ge=1, le=2**63 - 1, description="Only rows with a smaller id: the next page.")

    @model_validator(mode="after")
    def _in_order(self) -> "AuditQuery":
        """`from` is before `to`."""
        if self.since and self.until and self.since >= self.until:
            raise ValueError("from must be before to")
        return self


class AuditRowOut(Answer):
    """One act."""

    id: int | None = Field(description="Null while the row is only in the journal, since the database is away.")
    at: datetime
    actor: str
    actor_kind: str
    action: str
    target: str
    result: str
    request_id: str
    details: dict[str, Any]


class AuditOut(Answer):
    """Acts, newest first."""

    items: list[AuditRowOut]


def audit_routes(deps: ApiDeps) -> APIRouter:
    """`GET /api/v1/audit`."""
    router = strict_router("audit")

    @router.get("/api/v1/audit", response_model=AuditOut, openapi_extra=acts("audit.read"))
    async def audit_page(request: Request, query: Annotated[AuditQuery, Query()]) -> Response:
        """Who did what to what, newest first. `before` is the id of the last row seen, exclusive."""
        signed_in(request, "audit.read")
        rows = await deps.audit.page(**query.model_dump())
        return answer({"items": [_row(row) for row in rows]})

    return router


def _row(row: Any) -> dict[str, Any]:
    """One row as JSON."""
    return {
        "id": row.id,
        "at": row.at,
        "actor": row.actor,
        "actor_kind": str(row.actor_kind),
        "action": row.action,
        "target": row.target,
        "result": row.result,
        "request_id": row.request_id,
        "details": dict(row.details) if isinstance(row.details, Mapping) else {},
    }
