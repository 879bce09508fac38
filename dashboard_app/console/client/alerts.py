"""The contract's calls about alerts and rules. Tolerant of a server that gives the contract's fields and nothing more.

Reading what fires is a guard call: no queue, no breaker, no throttle, since it matters most when the pool is full. Acts and rules are a
person's click.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from dashboard_app.console.client.acts import Audited
from dashboard_app.console.client.caller import Call, Caller
from dashboard_app.console.client.contract import needed_time, optional_time, or_garbage, parse_object
from dashboard_app.model.alert import Alert, AlertRule, MetricInfo, Operator, RuleSettings, Severity
from dashboard_app.model.errors import NotFound
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require, require_proof
from dashboard_app.runtime.request_queue import Priority

_ALERTS, _RULES = "/api/v1/alerts", "/api/v1/alert-rules"
_MOST = 500
_TEXT_KEPT = 500
_EPOCH = "1970-01-01T00:00:00Z"
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class ListedAlert:
    """An alert, and the id of the stricter one that speaks for it (None: it speaks for itself)."""

    alert: Alert
    covered_by: int | None = None


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Every rule, and what a rule may be about."""

    rules: tuple[AlertRule, ...]
    metrics: tuple[MetricInfo, ...]


class AlertCalls:
    """Every call raises errors of `model.errors` only; rights are checked here first."""

    def __init__(self, caller: Caller, audited: Audited) -> None:
        """Call through `caller`."""
        self._caller, self.audited = caller, audited

    async def open_ones(self) -> tuple[ListedAlert, ...] | None:
        """What is not over, newest first; None when the server does not offer alerts."""
        try:
            return await self._caller.guard("GET", f"{_ALERTS}?state=open&limit={_MOST}", parse_alerts)
        except NotFound:
            return None

    async def resolved(self, principal: Principal, limit: int, before: int = 0) -> tuple[ListedAlert, ...]:
        """What is over, newest first; `before` an id, 0: the newest page."""
        require(principal, "alerts.read")
        older = f"&before={before}" if before else ""
        return await self._caller.guard("GET", f"{_ALERTS}?state=resolved&limit={limit}{older}", parse_alerts, principal=principal)

    async def acknowledge(self, principal: Principal, alert_id: int) -> ListedAlert:
        """The alert, which is `principal`'s now. Raises Conflict: it is over."""
        return await self._act(principal, "POST", alert_id, "acknowledge")

    async def unacknowledge(self, principal: Principal, alert_id: int) -> ListedAlert:
        """The alert, which is nobody's again."""
        return await self._act(principal, "DELETE", alert_id, "acknowledge")

    async def silence(self, principal: Principal, alert_id: int, until: datetime, reason: str) -> ListedAlert:
        """The alert, silent until then."""
        told = until.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return await self._act(principal, "POST", alert_id, "silence", {"until": told, "reason": reason})

    async def unsilence(self, principal: Principal, alert_id: int) -> ListedAlert:
        """The alert, heard again."""
        return await self._act(principal, "DELETE", alert_id, "silence")

    async def rules(self, principal: Principal) -> RuleBook:
        """Every rule by id."""
        require(principal, "alert_rules.read")
        return await self._caller.ordinary(Call("GET", _RULES, Priority.CLICK, principal=principal), parse_rules)

    async def save_rule(self, principal: Principal, rule_id: int, fields: Mapping[str, object]) -> AlertRule:
        """The rule after `fields` (names of the contract); `rule_id` 0 makes a new one. Raises InvalidInput, Conflict."""
        method, path = ("PATCH", f"{_RULES}/{rule_id}") if rule_id else ("POST", _RULES)
        return await self._write(principal, method, path, dict(fields), parse_rule)

    async def delete_rule(self, principal: Principal, rule_id: int) -> None:
        """Remove a rule. Raises Conflict: it is built in; ProofNeeded."""
        require_proof(principal, self._caller.clock.now())
        await self._write(principal, "DELETE", f"{_RULES}/{rule_id}", None, lambda _: None)

    async def preview(self, principal: Principal, fields: Mapping[str, object]) -> dict[str, Any]:
        """{"fired", "since", "sources", "by_source"} of a rule that is not saved. Raises InvalidInput."""
        require(principal, "alert_rules.write")
        call = Call("POST", f"{_RULES}/preview", Priority.CLICK, principal=principal, body=dict(fields))
        return await self._caller.ordinary(call, parse_object)

    async def _act(self, principal: Principal, method: str, alert_id: int, what: str, body: object = None) -> ListedAlert:
        """An act on one alert."""
        require(principal, "alerts.act")
        call = Call(method, f"{_ALERTS}/{alert_id}/{what}", Priority.CLICK, principal=principal, body=body)
        return await self.audited(
            principal, "alerts.act", f"{method} {what} of alert {alert_id}", lambda: self._caller.ordinary(call, parse_alert)
        )

    async def _write(self, principal: Principal, method: str, path: str, body: object, parse: Callable[[Any], Value]) -> Value:
        """A change of the rules."""
        require(principal, "alert_rules.write")
        call = Call(method, path, Priority.CLICK, principal=principal, body=body)
        return await self.audited(principal, "alert_rules.write", f"{method} {path}", lambda: self._caller.ordinary(call, parse))


@or_garbage
def parse_alert(body: Any) -> ListedAlert:
    """One alert."""
    covered = body.get("covered_by")
    alert = Alert(
        id=int(body["id"]),
        rule_id=int(body.get("rule_id") or 0),
        rule=str(body["rule"]),
        severity=Severity(body["severity"]),
        source_id=int(body.get("source_id") or 0),
        source=str(body.get("source") or ""),
        message=str(body.get("message") or "")[:_TEXT_KEPT],
        value=float(body.get("value") or 0.0),
        opened_at=needed_time(body["opened_at"]),
        resolved_at=optional_time(body.get("resolved_at")),
        acknowledged_by=_text(body.get("acknowledged_by")),
        acknowledged_at=optional_time(body.get("acknowledged_at")),
        silenced_until=optional_time(body.get("silenced_until")),
        silenced_by=_text(body.get("silenced_by")),
        silence_reason=_text(body.get("silence_reason")),
    )
    return ListedAlert(alert, None if covered is None else int(covered))


@or_garbage
def parse_alerts(body: Any) -> tuple[ListedAlert, ...]:
    """A page of alerts."""
    return tuple(parse_alert(each) for each in body["items"][:_MOST])


@or_garbage
def parse_rule(body: Any) -> AlertRule:
    """One rule."""
    settings = RuleSettings(
        name=str(body["name"]),
        metric=str(body["metric"]),
        operator=Operator(body["operator"]),
        limit=float(body["limit"]),
        recovers_at=float(body.get("recovers_at", body["limit"])),
        severity=Severity(body["severity"]),
        scope=str(body.get("scope") or "pool"),
        for_s=float(body.get("for_s") or 0.0),
        enabled=bool(body.get("enabled", True)),
    )
    stamps = (needed_time(body.get(name) or _EPOCH) for name in ("created_at", "updated_at"))
    return AlertRule(int(body["id"]), settings, bool(body.get("is_builtin", False)), *stamps)


@or_garbage
def parse_rules(body: Any) -> RuleBook:
    """The rules and their metrics."""
    metrics = (
        MetricInfo(str(one["name"]), str(one.get("unit") or ""), str(one.get("words") or one["name"])) for one in body.get("metrics") or ()
    )
    return RuleBook(tuple(parse_rule(each) for each in body["items"]), tuple(metrics))


def _text(value: object) -> str | None:
    """A text, or None."""
    return None if value is None else str(value)[:_TEXT_KEPT]
