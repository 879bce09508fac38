"""What a rule may say, which sources it watches, and the sentence of the alert it opens. Pure."""

import math
from collections.abc import Mapping, Sequence

from dashboard_app.model.alert import MetricInfo, Operator, RuleSettings
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.source import Source

POOL_METRICS: Mapping[str, MetricInfo] = {
    one.name: one
    for one in (
        MetricInfo("pool.usage_percent", "%", "Pool usage"),
        MetricInfo("pool.waiting", "callers", "Callers waiting for the pool"),
        MetricInfo("pool.oldest_wait_s", "s", "Oldest wait for the pool"),
        MetricInfo("pool.suspected_leaks", "checkouts", "Suspected leaks"),
        MetricInfo("pool.unreachable", "", "Database away (1) or not (0)"),
    )
}
STATUS_METRIC = "source.status"
STATUS_VALUES: Mapping[HealthStatus, float] = {HealthStatus.HEALTHY: 0.0, HealthStatus.DEGRADED: 1.0, HealthStatus.UNHEALTHY: 2.0}
"""A status as a number for a rule; unknown has none."""
LONGEST_FOR_S = 86_400.0
LARGEST_LIMIT = 1e12
_PREFIX = "source."
_WORDS = {Operator.ABOVE: "above", Operator.FROM: "at or above", Operator.BELOW: "below", Operator.DOWN_FROM: "at or below"}


def metrics_of(units: Mapping[str, str]) -> dict[str, MetricInfo]:
    """Every metric a rule may name, when probes give the numbers `units` (name → unit)."""
    of_sources = [
        MetricInfo(STATUS_METRIC, "", "Status (1 degraded, 2 unhealthy)"),
        MetricInfo(f"{_PREFIX}latency_ms", "ms", "Latency of the check"),
        *(MetricInfo(f"{_PREFIX}{name}", unit, name.removesuffix("_s").replace("_", " ").capitalize()) for name, unit in units.items()),
    ]
    return {**POOL_METRICS, **{one.name: one for one in of_sources}}


def is_of_pool(metric: str) -> bool:
    """True for a metric of the guarded pool."""
    return not metric.startswith(_PREFIX)


def check_rule(rule: RuleSettings, known: Mapping[str, MetricInfo]) -> list[dict[str, str]]:
    """What is wrong with `rule`, one {"field", "message"} each; empty: nothing."""
    found = _numbers(rule)
    metric = known.get(rule.metric)
    if metric is None:
        found.append(_error("metric", f"must be one of {', '.join(sorted(known))}"))
    elif metric.unit == "%":
        found += [_error(name, "must be 0 to 100") for name in ("limit", "recovers_at") if not 0 <= getattr(rule, name) <= 100]  # noqa: PLR2004 - percent
    if rule.metric == STATUS_METRIC:
        found += _status(rule)
    return found + _scope(rule)


def watches(scope: str, source: Source) -> bool:
    """True when a rule of this scope watches `source`."""
    what, _, named = scope.partition(":")
    if what == "id":
        return named == str(source.id)
    return what == "all" or (what == "tag" and named in source.tags)


def message_of(rule: RuleSettings, info: MetricInfo, value: float, source: str, found: str = "") -> str:
    """The sentence of an alert. `source` is the name of the source; `found` what its probe said."""
    if rule.metric == "pool.unreachable":
        return "The database does not answer"
    if rule.metric == STATUS_METRIC:
        word = next(status.value for status, number in STATUS_VALUES.items() if number == value)
        return f"{source} is {word}: {found}" if found else f"{source} is {word}"
    if rule.metric == "pool.suspected_leaks":
        return f"{value:g} suspected leak{'' if value == 1 else 's'}: checkouts that run nothing for too long"
    told = f"{_quantity(value, info.unit)}, {_WORDS[rule.operator]} {_quantity(rule.limit, info.unit)}"
    return f"{info.words} {told}" if is_of_pool(rule.metric) else f"{source}: {info.words.lower()} {told}"


def _numbers(rule: RuleSettings) -> list[dict[str, str]]:
    """Numbers out of their bounds."""
    found = [
        _error(name, f"must be a number between -{LARGEST_LIMIT:g} and {LARGEST_LIMIT:g}")
        for name in ("limit", "recovers_at")
        if not math.isfinite(getattr(rule, name)) or abs(getattr(rule, name)) > LARGEST_LIMIT
    ]
    if not 0 <= rule.for_s <= LONGEST_FOR_S:
        found.append(_error("for_s", f"must be 0 to {LONGEST_FOR_S:g} seconds"))
    if rule.operator.is_upward and rule.recovers_at > rule.limit:
        found.append(_error("recovers_at", "must not be above the limit"))
    if not rule.operator.is_upward and rule.recovers_at < rule.limit:
        found.append(_error("recovers_at", "must not be below the limit"))
    return found


def _status(rule: RuleSettings) -> list[dict[str, str]]:
    """A rule about a status has an order of three and nothing between."""
    found = []
    if rule.operator is not Operator.FROM:
        found.append(_error("operator", "must be >= for a status"))
    if rule.limit not in (1.0, 2.0):
        found.append(_error("limit", "must be 1 (degraded) or 2 (unhealthy)"))
    return found


def _scope(rule: RuleSettings) -> list[dict[str, str]]:
    """The pool has one scope, sources have the other three."""
    if is_of_pool(rule.metric):
        return [] if rule.scope == "pool" else [_error("scope", "must be pool for a metric of the pool")]
    what, _, named = rule.scope.partition(":")
    is_right = rule.scope == "all" or (what == "id" and named.isascii() and named.isdigit()) or (what == "tag" and named.strip() != "")
    return [] if is_right else [_error("scope", "must be all, id:<source id> or tag:<tag>")]


def _quantity(value: float, unit: str) -> str:
    """A number with its unit."""
    return f"{value:g} {unit}" if unit else f"{value:g}"


def _error(field: str, message: str) -> dict[str, str]:
    """One reason, as problem documents carry it."""
    return {"field": field, "message": message}


def named(errors: Sequence[Mapping[str, str]]) -> str:
    """The sentence above the reasons."""
    return f"Some values are not acceptable: {', '.join(dict.fromkeys(error['field'] for error in errors))}."
