"""The API: its routes, and what stands round them."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from starlette.types import Scope

from dashboard_app.backend.api.account import account_routes
from dashboard_app.backend.api.actions import ActionTable, table_of
from dashboard_app.backend.api.alerts import alert_routes
from dashboard_app.backend.api.audit import audit_routes
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.direct import Direct
from dashboard_app.backend.api.docs import docs_routes
from dashboard_app.backend.api.drill import Drill, drill_routes
from dashboard_app.backend.api.events import event_routes
from dashboard_app.backend.api.flow_metrics import AlertsCollector, EventsCollector, JobsCollector
from dashboard_app.backend.api.health import health_routes
from dashboard_app.backend.api.jobs import job_routes
from dashboard_app.backend.api.limits import BodyLimits, EveryAnswer
from dashboard_app.backend.api.metrics import ApiMetrics, metrics_routes
from dashboard_app.backend.api.notifications import notification_routes
from dashboard_app.backend.api.openapi import describe
from dashboard_app.backend.api.pgbouncer import pgbouncer_routes
from dashboard_app.backend.api.pool import pool_routes
from dashboard_app.backend.api.problems import LastResort, add_handlers
from dashboard_app.backend.api.sources import source_routes
from dashboard_app.backend.api.tokens import token_routes
from dashboard_app.backend.api.users import user_routes
from dashboard_app.backend.api.watched import watched_routes
from dashboard_app.backend.drill.holds import Holds
from dashboard_app.backend.drill.outage import Failing, Outage

_VERSION = "1"
PREFIXES = ("/api/", "/scan/", "/docs/")
PATHS = ("/metrics", "/livez", "/readyz", "/openapi.json", "/docs")
"""What belongs to the API; every other path is a page's. An unknown path below a prefix is a 404 problem."""


def is_api_path(path: str) -> bool:
    """True when a request for `path` is the API's to answer."""
    return path in PATHS or path.startswith(PREFIXES)


def build_api(deps: ApiDeps, extra_routers: Sequence[APIRouter] = ()) -> FastAPI:
    """The API, ready to be served; `extra_routers` are the console's own calls.

    `app.state.actions` is its `ActionTable`; `app.state.holds` what the drill holds (None: no demo), to release at shutdown;
    `app.state.served` the whole API with the short way in front, which is what to serve.
    Who asks is read from the scope (`spillway.principal`, `spillway.request_id`): the gate and `Permit` stand in front.

    Raises:
        StartRefused: a route names no action.

    """
    app = FastAPI(title="Spillway", version=_VERSION, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    metrics = ApiMetrics(deps.guard, deps.loop_watch)
    metrics.registry.register(AlertsCollector(deps.alerts))
    routers = [
        health_routes(deps),
        pool_routes(deps),
        source_routes(deps, metrics.saw),
        watched_routes(deps),
        pgbouncer_routes(deps),
        audit_routes(deps),
        alert_routes(deps),
        metrics_routes(metrics),
        docs_routes(app),
    ]
    if deps.jobs is not None:
        routers.append(job_routes(deps, deps.jobs))
        metrics.registry.register(JobsCollector(deps.jobs))
    if deps.events is not None:
        routers.append(event_routes(deps.events.events, deps.events.streams))
        metrics.registry.register(EventsCollector(deps.events))
    if deps.channels is not None:
        routers.append(notification_routes(deps, deps.channels))
    if deps.identity is not None:
        routers += [account_routes(deps.identity), user_routes(deps.identity, deps.settings.base_url), token_routes(deps.identity)]
    outage = Outage(deps.clock)
    holds = Holds(deps.engine, deps.guard, deps.clock) if deps.settings.demo else None
    if holds is not None:
        routers.append(drill_routes(deps, Drill(holds, outage, lambda: app)))
    for router in (*routers, *extra_routers):
        app.include_router(router)
    table = table_of(app)
    app.state.actions, app.state.holds = table, holds
    add_handlers(app)
    _surround(app, deps, table, metrics, outage)
    app.openapi = lambda: describe(app, public_health=deps.settings.public_health)  # type: ignore[method-assign]  # FastAPI's own way
    return app


def _surround(app: FastAPI, deps: ApiDeps, table: ActionTable, metrics: ApiMetrics, outage: Outage) -> None:
    """Put the pure ASGI layers round the routes; the last one added is the outermost."""
    app.add_middleware(BodyLimits, action_of=table.action_of)
    app.add_middleware(Failing, outage=outage)
    app.add_middleware(LastResort)
    insight = deps.guard.insight
    app.add_middleware(insight.watched, is_signed_in=_is_signed_in, on_answer=metrics.answered)
    app.add_middleware(EveryAnswer, hint=deps.guard.hint)
    app.state.served = Direct(app, lambda short: insight.watched(short, is_signed_in=_is_signed_in, on_answer=metrics.answered))


def _is_signed_in(scope: Scope) -> bool:
    """True when the gate knows who asks."""
    return scope.get("spillway.principal") is not None
