"""The calls about data sources."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from dashboard_app.backend.api.answers import answer, health_json, metrics_json, source_json
from dashboard_app.backend.api.caller import audited, database_work
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.source_schemas import (
    HealthOut,
    HealthsOut,
    HistoryOut,
    HistoryQuery,
    IdsQuery,
    ListQuery,
    SourceIn,
    SourceOut,
    SourcePatch,
    SourcesOut,
    SourceTrialIn,
    StatsListOut,
    StatsOut,
    TimelineOut,
    TimelineQuery,
    TrialOut,
)
from dashboard_app.backend.api.values import PathId
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.health import Health
from dashboard_app.model.source import Source, SourceView, TestReport
from dashboard_app.runtime.routing import acts, strict_router

_PATH = "/scan/data-sources"
_DAY = timedelta(days=1)


def source_routes(deps: ApiDeps, saw: Callable[[Health], None]) -> APIRouter:
    """The routes under `/scan/data-sources`; `saw` is told of each health that is answered."""
    router = strict_router("data sources")
    _add_collection(router, deps)
    _add_readings(router, deps, saw)
    _add_past(router, deps)
    _add_one(router, deps)
    return router


def _add_collection(router: APIRouter, deps: ApiDeps) -> None:
    """List, create, test."""

    @router.get(_PATH, response_model=SourcesOut, openapi_extra=acts("sources.read"))
    async def list_sources(request: Request, query: Annotated[ListQuery, Query()]) -> Response:
        """The sources, each with its last known health and its last 30 outcomes."""
        async with database_work(deps, request):
            page = await deps.sources.list(**query.model_dump(exclude_none=True))
        return answer({"items": [_listed(view) for view in page.items], "total": page.total})

    @router.post(_PATH, response_model=SourceOut, status_code=201, openapi_extra=acts("sources.write"))
    async def create_source(request: Request, body: SourceIn) -> Response:
        """Register a source. The name must be free."""
        settings = body.settings()
        async with audited(deps, request, "sources.write", body.name, {"event": "create"}) as noted, database_work(deps, request):
            source = await deps.sources.create(settings)
            noted.update(target=_target(source), after=_shown(source))
        return answer(source_json(source), 201, {"Location": f"{_PATH}/{source.id}"})

    @router.post(f"{_PATH}/test", response_model=TrialOut, openapi_extra=acts("sources.write"))
    async def test_source(request: Request, body: SourceTrialIn) -> Response:
        """Try settings without saving them, step by step."""
        stored = await _stored_password_of(deps, body)
        async with audited(deps, request, "sources.write", f"{body.host}:{body.port}", {"event": "test"}) as noted:
            report = await deps.probing.test(body.settings(), source_id=stored)
            noted["reached"] = report.ok
        return answer(_report(report))


def _add_readings(router: APIRouter, deps: ApiDeps, saw: Callable[[Health], None]) -> None:
    """Health and stats, of one and of many."""

    def shown(health: Health) -> dict[str, Any]:
        saw(health)
        return health_json(health)

    @router.get(f"{_PATH}/health", response_model=HealthsOut, openapi_extra=acts("sources.read"))
    async def health_of_many(query: Annotated[IdsQuery, Query()]) -> Response:
        """Probe several sources now; ids that do not exist are left out."""
        return answer({"items": [shown(one) for one in await deps.probing.healths(query.numbers())]})

    @router.get(f"{_PATH}/stats", response_model=StatsListOut, openapi_extra=acts("sources.read"))
    async def stats_of_many(query: Annotated[IdsQuery, Query()]) -> Response:
        """The numbers of several sources now; ids that do not exist are left out."""
        return answer({"items": [metrics_json(one) for one in await deps.probing.stats(query.numbers())]})

    @router.get(f"{_PATH}/{{source_id}}/health", response_model=HealthOut, openapi_extra=acts("sources.read"))
    async def health_of_one(source_id: PathId) -> Response:
        """Probe the source now, unless a result is younger than 1 s. A source that is down is a 200 with `unhealthy`."""
        return answer(shown(await deps.probing.health(source_id)))

    @router.get(f"{_PATH}/{{source_id}}/stats", response_model=StatsOut, openapi_extra=acts("sources.read"))
    async def stats_of_one(source_id: PathId) -> Response:
        """The source's numbers now. A source that gives none is a 200 with empty `metrics`."""
        return answer(metrics_json(await deps.probing.metrics(source_id)))


def _add_past(router: APIRouter, deps: ApiDeps) -> None:
    """What was: samples of a metric, and the states of a span."""

    @router.get(f"{_PATH}/{{source_id}}/history", response_model=HistoryOut, openapi_extra=acts("sources.read"))
    async def history_of_one(request: Request, source_id: PathId, query: Annotated[HistoryQuery, Query()]) -> Response:
        """Samples of one metric, thinned out on the server to about `points`."""
        since, until = _span(deps, query)
        async with database_work(deps, request):
            await deps.sources.get(source_id)
            points = await deps.history.points(source_id, query.metric, since, until, query.points)
        return answer({"points": points})

    @router.get(f"{_PATH}/{{source_id}}/timeline", response_model=TimelineOut, openapi_extra=acts("sources.read"))
    async def timeline_of_one(request: Request, source_id: PathId, query: Annotated[TimelineQuery, Query()]) -> Response:
        """The worst outcome of each of `buckets` equal parts of a span: one letter each, `-` where nobody looked."""
        since, until = _span(deps, query)
        async with database_work(deps, request):
            await deps.sources.get(source_id)
            letters = await deps.history.timeline(source_id, since, until, query.buckets)
        return answer({"from": since, "to": until, "letters": letters})


def _span(deps: ApiDeps, query: HistoryQuery | TimelineQuery) -> tuple[datetime, datetime]:
    """From when to when is asked for.

    Raises:
        InvalidInput: the end is not behind the beginning.

    """
    until = query.until or deps.clock.now()
    since = query.since or until - _DAY
    if since >= until:
        raise InvalidInput("from must be before to", ({"field": "from", "message": "must be before to"},))
    return since, until


def _add_one(router: APIRouter, deps: ApiDeps) -> None:
    """Read, change, delete one source."""

    @router.get(f"{_PATH}/{{source_id}}", response_model=SourceOut, openapi_extra=acts("sources.read"))
    async def read_source(source_id: PathId) -> Response:
        """One source, from memory: no connection is needed."""
        return answer(source_json(await deps.sources.get(source_id)))

    @router.patch(f"{_PATH}/{{source_id}}", response_model=SourceOut, openapi_extra=acts("sources.write"))
    async def change_source(request: Request, source_id: PathId, body: SourcePatch) -> Response:
        """Change what the body names; the rest stays."""
        target = f"source {source_id}"
        async with audited(deps, request, "sources.write", target, {"event": "change"}) as noted, database_work(deps, request):
            before = await deps.sources.get(source_id)
            after = await deps.sources.update(source_id, body.changes())
            noted.update(_difference(before, after), target=_target(after))
            if body.password is not None:
                noted["password"] = "changed"  # noqa: S105 - says that, not what
        return answer(source_json(after))

    @router.delete(f"{_PATH}/{{source_id}}", status_code=204, response_class=Response, openapi_extra=acts("sources.write"))
    async def delete_source(request: Request, source_id: PathId) -> Response:
        """Remove the source and its history. The built-in one cannot be removed."""
        target = f"source {source_id}"
        details = {"event": "delete"}
        async with audited(deps, request, "sources.write", target, details, needs_proof=True) as noted, database_work(deps, request):
            before = await deps.sources.get(source_id)
            noted.update(target=_target(before), before=_shown(before))
            await deps.sources.delete(source_id)
        return Response(status_code=204)


def _target(source: Source) -> str:
    """How the audit names a source."""
    return f"{source.name} (source {source.id})"


def _shown(source: Source) -> dict[str, Any]:
    """What the audit keeps of a source: everything but its stamps."""
    return {name: value for name, value in source_json(source).items() if name not in {"created_at", "updated_at"}}


def _difference(before: Source, after: Source) -> dict[str, dict[str, Any]]:
    """Only the fields that changed, before and after."""
    old, new = _shown(before), _shown(after)
    changed = [name for name in new if old[name] != new[name]]
    return {"before": {name: old[name] for name in changed}, "after": {name: new[name] for name in changed}}


def _listed(view: SourceView) -> dict[str, Any]:
    """A source with what is known of it."""
    return source_json(view.source) | {"health": health_json(view.health) if view.health else None, "recent": view.recent}


def _report(report: TestReport) -> dict[str, Any]:
    """How a trial went."""
    steps = [{"name": step.name, "ok": step.ok, "ms": round(step.ms, 1), "message": step.message} for step in report.steps]
    return {"ok": report.ok, "steps": steps}


async def _stored_password_of(deps: ApiDeps, body: SourceTrialIn) -> int | None:
    """The source whose stored password is tried; None: the one given, or none. It is only ever sent to the server it was given for.

    Raises:
        InvalidInput: `id` is given without a password, and kind, host, port or user differ from the stored ones.

    """
    if body.id is None or body.password is not None:
        return None
    stored = await deps.sources.get(body.id)
    if (stored.kind, stored.host, stored.port, stored.username) != (body.kind, body.host, body.port, body.username):
        reason = "enter it again: kind, host, port or user differ from the stored ones"
        raise InvalidInput("The password is needed.", ({"field": "password", "message": reason},))
    return stored.id
