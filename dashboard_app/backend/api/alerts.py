"""What fires, who has it, and the rules. Every call works while the pool is full; what is open, while the database is away."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from dashboard_app.backend.api.alert_schemas import (
    AlertOut,
    AlertsOut,
    AlertsQuery,
    PreviewOut,
    RuleIn,
    RuleOut,
    RulePatch,
    RulesOut,
    SilenceIn,
)
from dashboard_app.backend.api.answers import answer, at
from dashboard_app.backend.api.caller import audited, database_work, signed_in
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.values import LARGEST_ID
from dashboard_app.model.alert import POOL_ID, Alert, AlertRule, AlertState
from dashboard_app.policy.alert import state_of
from dashboard_app.policy.alert_rule import is_of_pool
from dashboard_app.runtime.routing import acts, strict_router

_ALERTS, _RULES = "/api/v1/alerts", "/api/v1/alert-rules"
AlertId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The id of the alert; one that does not exist is 404.")]
RuleId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The id of the rule; one that does not exist is 404.")]

_OVER: dict[int | str, dict[str, Any]] = {409: {"description": "The alert is over."}}
_TAKEN: dict[int | str, dict[str, Any]] = {409: {"description": "The name is taken, or there are as many rules as there may be."}}
_BUILT_IN: dict[int | str, dict[str, Any]] = {409: {"description": "A built-in rule can be switched off, not deleted."}}


def alert_routes(deps: ApiDeps) -> APIRouter:
    """The routes under `/api/v1/alerts` and `/api/v1/alert-rules`."""
    router = strict_router("alerts")
    _add_alerts(router, deps)
    _add_acts(router, deps)
    _add_rules(router, deps)
    return router


def _add_alerts(router: APIRouter, deps: ApiDeps) -> None:
    """What fires and what fired."""

    @router.get(_ALERTS, response_model=AlertsOut, openapi_extra=acts("alerts.read"))
    async def list_alerts(query: Annotated[AlertsQuery, Query()]) -> Response:
        """Alerts, newest first. `before` is the id of the last one seen, exclusive."""
        state = None if query.state in (None, "open") else AlertState(query.state)
        found = await deps.alerts.page(state, only_open=query.state == "open", limit=query.limit, before=query.before)
        covered = deps.alerts.covered()
        return answer({"items": [_alert(deps, alert, covered) for alert in found]})


def _add_acts(router: APIRouter, deps: ApiDeps) -> None:
    """Acknowledge, silence, and the way back of each."""

    @router.post(f"{_ALERTS}/{{alert_id}}/acknowledge", response_model=AlertOut, responses=_OVER, openapi_extra=acts("alerts.act"))
    async def acknowledge(request: Request, alert_id: AlertId) -> Response:
        """Say that you are on it. The first to say so stays; lower steps of the same problem go with it."""
        async with audited(deps, request, "alerts.act", f"alert {alert_id}", {"event": "acknowledge"}) as noted:
            alert = await deps.alerts.acknowledge(alert_id, signed_in(request, "alerts.act").name)
            noted["target"] = _target(alert)
        return answer(_alert(deps, alert, deps.alerts.covered()))

    @router.delete(f"{_ALERTS}/{{alert_id}}/acknowledge", response_model=AlertOut, responses=_OVER, openapi_extra=acts("alerts.act"))
    async def unacknowledge(request: Request, alert_id: AlertId) -> Response:
        """Take the acknowledgement back, whoever gave it."""
        async with audited(deps, request, "alerts.act", f"alert {alert_id}", {"event": "unacknowledge"}) as noted:
            alert = await deps.alerts.unacknowledge(alert_id)
            noted["target"] = _target(alert)
        return answer(_alert(deps, alert, deps.alerts.covered()))

    @router.post(f"{_ALERTS}/{{alert_id}}/silence", response_model=AlertOut, responses=_OVER, openapi_extra=acts("alerts.act"))
    async def silence(request: Request, alert_id: AlertId, body: SilenceIn) -> Response:
        """Hide it until `until`. If it ends and comes back before then, it comes back silent."""
        facts = {"event": "silence", "until": at(body.until), "reason": body.reason}
        async with audited(deps, request, "alerts.act", f"alert {alert_id}", facts) as noted:
            alert = await deps.alerts.silence(alert_id, signed_in(request, "alerts.act").name, body.until, body.reason)
            noted["target"] = _target(alert)
        return answer(_alert(deps, alert, deps.alerts.covered()))

    @router.delete(f"{_ALERTS}/{{alert_id}}/silence", response_model=AlertOut, responses=_OVER, openapi_extra=acts("alerts.act"))
    async def unsilence(request: Request, alert_id: AlertId) -> Response:
        """End the silence now."""
        async with audited(deps, request, "alerts.act", f"alert {alert_id}", {"event": "unsilence"}) as noted:
            alert = await deps.alerts.unsilence(alert_id)
            noted["target"] = _target(alert)
        return answer(_alert(deps, alert, deps.alerts.covered()))


def _add_rules(router: APIRouter, deps: ApiDeps) -> None:
    """The rules, and what one would have done."""

    @router.get(_RULES, response_model=RulesOut, openapi_extra=acts("alert_rules.read"))
    async def list_rules() -> Response:
        """Every rule by id, and the metrics that rules may name."""
        metrics = [{"name": one.name, "unit": one.unit, "words": one.words} for one in deps.alerts.metrics()]
        return answer({"items": [_rule(rule) for rule in deps.alerts.rules()], "metrics": metrics})

    @router.post(_RULES, response_model=RuleOut, status_code=201, responses=_TAKEN, openapi_extra=acts("alert_rules.write"))
    async def create_rule(request: Request, body: RuleIn) -> Response:
        """A new rule; it is obeyed within a second."""
        async with audited(deps, request, "alert_rules.write", body.name, {"event": "create"}) as noted:
            rule = await deps.alerts.add_rule(body.settings())
            noted.update(target=_named(rule), after=_shown(rule))
        return answer(_rule(rule), 201, {"Location": f"{_RULES}/{rule.id}"})

    @router.post(f"{_RULES}/preview", response_model=PreviewOut, openapi_extra=acts("alert_rules.write"))
    async def preview_rule(request: Request, body: RuleIn) -> Response:
        """How often such a rule would have fired: over the samples of 24 h, or over the guard's last hour for a metric of the pool."""
        settings = body.settings()
        if is_of_pool(settings.metric):
            found = await deps.alerts.preview(settings)
        else:
            async with database_work(deps, request):
                found = await deps.alerts.preview(settings)
        named = [{"source": source, "fired": count} for source, count in found.by_source]
        return answer({"fired": found.fired, "since": found.since, "sources": found.sources, "by_source": named})

    @router.patch(f"{_RULES}/{{rule_id}}", response_model=RuleOut, responses=_TAKEN, openapi_extra=acts("alert_rules.write"))
    async def change_rule(request: Request, rule_id: RuleId, body: RulePatch) -> Response:
        """Change what the body names; the rest stays."""
        async with audited(deps, request, "alert_rules.write", f"alert rule {rule_id}", {"event": "change"}) as noted:
            before = deps.alerts.rule(rule_id)
            rule = await deps.alerts.change_rule(rule_id, body.changes())
            old, new = _shown(before), _shown(rule)
            changed = [name for name in new if old[name] != new[name]]
            noted.update(target=_named(rule), before={name: old[name] for name in changed}, after={name: new[name] for name in changed})
        return answer(_rule(rule))

    @router.delete(
        f"{_RULES}/{{rule_id}}", status_code=204, response_class=Response, responses=_BUILT_IN, openapi_extra=acts("alert_rules.write")
    )
    async def delete_rule(request: Request, rule_id: RuleId) -> Response:
        """Remove the rule; what it fired stays in history. A built-in one is 409: switch it off instead."""
        async with audited(deps, request, "alert_rules.write", f"alert rule {rule_id}", {"event": "delete"}, needs_proof=True) as noted:
            rule = await deps.alerts.remove_rule(rule_id)
            noted.update(target=_named(rule), before=_shown(rule))
        return Response(status_code=204)


def _target(alert: Alert) -> str:
    """How the audit names an alert."""
    return f"{alert.rule}, {alert.source} (alert {alert.id})"


def _named(rule: AlertRule) -> str:
    """How the audit names a rule."""
    return f"{rule.settings.name} (alert rule {rule.id})"


def _alert(deps: ApiDeps, alert: Alert, covered: dict[int, int]) -> dict[str, Any]:
    """An alert as JSON."""
    return {
        "id": alert.id,
        "rule": alert.rule,
        "severity": alert.severity,
        "source": alert.source,
        "message": alert.message,
        "opened_at": alert.opened_at,
        "resolved_at": alert.resolved_at,
        "acknowledged_by": alert.acknowledged_by,
        "silenced_until": alert.silenced_until,
        "state": state_of(alert, deps.clock.now()),
        "rule_id": alert.rule_id,
        "source_id": None if alert.source_id == POOL_ID else alert.source_id,
        "value": alert.value,
        "acknowledged_at": alert.acknowledged_at,
        "silenced_by": alert.silenced_by,
        "silence_reason": alert.silence_reason,
        "covered_by": covered.get(alert.id),
    }


def _shown(rule: AlertRule) -> dict[str, Any]:
    """What an admin set of a rule."""
    settings = rule.settings
    return {
        "name": settings.name,
        "metric": settings.metric,
        "operator": settings.operator.value,
        "limit": settings.limit,
        "recovers_at": settings.recovers_at,
        "for_s": settings.for_s,
        "severity": settings.severity.value,
        "scope": settings.scope,
        "enabled": settings.enabled,
    }


def _rule(rule: AlertRule) -> dict[str, Any]:
    """A rule as JSON."""
    stamps = {"is_builtin": rule.is_builtin, "created_at": rule.created_at, "updated_at": rule.updated_at}
    return {"id": rule.id, **_shown(rule), **stamps}
