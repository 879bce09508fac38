"""When a rule opens an alert and when it is over: thresholds with hysteresis, how long, acknowledged or silenced. Pure.

An alert opens once its value has been past the limit for `for_s`, and is over once the value has been at or past `recovers_at`, on the
good side, for CALM_S: the margin and the calm are those of the throttling level, so that neither flaps.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dashboard_app.model.alert import Alert, AlertRule, AlertState, Operator, RuleSettings
from dashboard_app.policy.throttle import CALM_S

__all__ = ["CALM_S", "Watch", "coverings", "family", "fired", "follow", "is_breached", "is_recovered", "state_of"]


@dataclass(frozen=True, slots=True)
class Watch:
    """What one rule knows of one source. `since`: monotonic time since when the value calls for the other state, or None."""

    is_open: bool = False
    since: float | None = None


def is_breached(rule: RuleSettings, value: float) -> bool:
    """True when `value` is past the limit."""
    if rule.operator is Operator.ABOVE:
        return value > rule.limit
    if rule.operator is Operator.FROM:
        return value >= rule.limit
    return value < rule.limit if rule.operator is Operator.BELOW else value <= rule.limit


def is_recovered(rule: RuleSettings, value: float) -> bool:
    """True when `value` is good enough to end an alert: it is at or past `recovers_at`, and not past the limit."""
    is_good = value <= rule.recovers_at if rule.operator.is_upward else value >= rule.recovers_at
    return is_good and not is_breached(rule, value)


def follow(rule: RuleSettings, watch: Watch, value: float | None, now: float) -> Watch:
    """The watch after `value` was read at `now` (monotonic). The same object when nothing changed.

    None: not known. What is not known neither opens nor ends an alert, and what was counted so far does not count any more.
    """
    calls = value is not None and (is_recovered(rule, value) if watch.is_open else is_breached(rule, value))
    if not calls:
        return watch if watch.since is None else replace(watch, since=None)
    since = now if watch.since is None else watch.since
    if now - since >= (CALM_S if watch.is_open else rule.for_s):
        return Watch(is_open=not watch.is_open)
    return watch if watch.since is not None else replace(watch, since=now)


def fired(rule: RuleSettings, samples: Iterable[tuple[float, float | None]], until: float) -> int:
    """How often `rule` would have opened an alert over `samples` (time in s, value), rising in time; each value holds until the next."""
    watch, opened, held = Watch(), 0, None
    for at, value in samples:
        for reading in (held, value):  # the old value until now, then the new one
            after = follow(rule, watch, reading, at)
            opened += after.is_open and not watch.is_open
            watch = after
        held = value
    after = follow(rule, watch, held, until)
    return opened + (after.is_open and not watch.is_open)


def state_of(alert: Alert, now: datetime) -> AlertState:
    """Where `alert` stands at `now`."""
    if alert.resolved_at is not None:
        return AlertState.RESOLVED
    if alert.silenced_until is not None and alert.silenced_until > now:
        return AlertState.SILENCED
    return AlertState.FIRING if alert.acknowledged_by is None else AlertState.ACKNOWLEDGED


def family(rule: RuleSettings) -> tuple[str, bool]:
    """Rules of one family watch the same metric in the same direction: they tell one problem in steps."""
    return rule.metric, rule.operator.is_upward


def coverings(alerts: Sequence[Alert], rules: Mapping[int, AlertRule]) -> dict[int, int]:
    """The id of each open alert that a stricter one of its family and source covers → the id of the strictest of them.

    One problem has one line: at 95 % the alerts of 70, 80 and 90 % are open, and the last one speaks for all three.
    """
    groups: dict[tuple[int, tuple[str, bool]], list[Alert]] = {}
    for alert in alerts:
        rule = rules.get(alert.rule_id)
        if rule is not None and alert.resolved_at is None:
            groups.setdefault((alert.source_id, family(rule.settings)), []).append(alert)
    covered: dict[int, int] = {}
    for group in groups.values():
        top = max(group, key=lambda alert: _strictness(alert, rules[alert.rule_id].settings))
        covered |= {alert.id: top.id for alert in group if alert is not top}
    return covered


def _strictness(alert: Alert, rule: RuleSettings) -> tuple[int, float, int]:
    """What makes an alert the one that speaks: its severity, then the further limit, then the older rule."""
    return alert.severity.rank, rule.limit if rule.operator.is_upward else -rule.limit, -alert.rule_id
