"""Who did what to what."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field, model_validator
from starlette.responses import StreamingResponse

from dashboard_app.access.asking import request_id_of
from dashboard_app.backend.api.answers import answer, at
from dashboard_app.backend.api.audit_csv import MOST_ROWS, PAGE_ROWS, lines
from dashboard_app.backend.api.caller import signed_in
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.values import Answer, Moment, Parameters, Search
from dashboard_app.runtime.routing import acts, strict_router


class ExportQuery(Parameters):
    """Which rows."""

    actor: Search | None = None
    action: Search | None = None
    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = Field(default=None, alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        """`from` is before `to`."""
        if self.since and self.until and self.since >= self.until:
            raise ValueError("from must be before to")
        return self


class AuditQuery(ExportQuery):
    """Which rows, and how many."""

    limit: int = Field(default=100, ge=1, le=500)
    before: int | None = Field(default=None, ge=1, le=2**63 - 1, description="Only rows with a smaller id: the next page.")


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


class ChainOut(Answer):
    """Whether the audit is as it was written."""

    whole: bool
    rows: int = Field(description="Rows that were looked at and are good.")
    head: str | None = Field(description="The last of them, `id:hash`: keep it elsewhere and give it to `audit verify --head`.")
    broken_at: int | None = Field(description="The first row that is not good.")
    problem: str


MOST_VERIFIED = 100_000
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"description": "CSV with a head line.", "content": {"text/csv": {"schema": {"type": "string"}}}}
}


def audit_routes(deps: ApiDeps) -> APIRouter:
    """`GET /api/v1/audit`, the same as a file, and whether it is whole."""
    router = strict_router("audit")

    @router.get("/api/v1/audit", response_model=AuditOut, openapi_extra=acts("audit.read"))
    async def audit_page(request: Request, query: Annotated[AuditQuery, Query()]) -> Response:
        """Who did what to what, newest first. `before` is the id of the last row seen, exclusive."""
        signed_in(request, "audit.read")
        rows = await deps.audit.page(**query.model_dump())
        return answer({"items": [_row(row) for row in rows]})

    @router.get("/api/v1/audit.csv", response_class=StreamingResponse, responses=_CSV, openapi_extra=acts("audit.read"))
    async def audit_file(request: Request, query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
        """The same rows as CSV, newest first, at most 10,000. The export leaves a row itself."""
        principal = signed_in(request, "audit.read")
        asked = query.model_dump(exclude_none=True)

        async def read(before: int | None, limit: int) -> Sequence[Any]:
            return await deps.audit.page(**asked, before=before, limit=limit)

        first = await read(None, min(PAGE_ROWS, MOST_ROWS))
        told = {name: at(value) if isinstance(value, datetime) else value for name, value in asked.items()}
        await deps.audit.record(principal, "audit.export", "audit.csv", request_id=request_id_of(request), details=told)
        name = f"audit-{deps.clock.now():%Y%m%dT%H%M%SZ}.csv"
        return StreamingResponse(
            lines(read, first),
            media_type="text/csv",
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )

    @router.get("/api/v1/audit/chain", response_model=ChainOut, openapi_extra=acts("audit.read"))
    async def audit_chain(request: Request) -> Response:
        """Look at the newest 100,000 rows: was one changed, put in or taken out? `audit verify` looks at all of them."""
        signed_in(request, "audit.read")
        report = await deps.audit.chain.verify(newest=MOST_VERIFIED)
        return answer(
            {
                "whole": report.is_whole,
                "rows": report.rows,
                "head": f"{report.head.id}:{report.head.hash.hex()}" if report.head.id else None,
                "broken_at": report.broken_at,
                "problem": report.problem,
            }
        )

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
