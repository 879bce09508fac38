"""Rules as rows and as a form, and what a preview says. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard_app.console import theme, words
from dashboard_app.model.alert import AlertRule, MetricInfo, Operator, RuleSettings, Severity
from dashboard_app.model.errors import InvalidInput
from dashboard_app.policy.alert_rule import STATUS_METRIC, is_of_pool

NUMBERS = ("limit", "recovers_at", "for_s")
FIELDS = ("name", "metric", "operator", *NUMBERS, "severity", "scope")
OPERATORS = (
    (Operator.FROM.value, "at or above"),
    (Operator.ABOVE.value, "above"),
    (Operator.BELOW.value, "below"),
    (Operator.DOWN_FROM.value, "at or below"),
)
SEVERITIES = tuple((severity.value, theme.SEVERITY[severity].word) for severity in reversed(Severity))
_STATUS_WORDS = {"degraded": "1", "unhealthy": "2", "healthy": "0"}
_LONGEST = 200
_NAMED = 3


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule of the list."""

    id: int
    name: str
    says: str
    scope: str
    severity: str
    tone: str
    icon: str
    enabled: bool
    is_builtin: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a list: its value and its words."""

    value: str
    word: str


@dataclass(frozen=True, slots=True)
class RuleFields:
    """The values of the form, as texts. `id` 0: a new rule."""

    id: int = 0
    name: str = ""
    metric: str = "pool.usage_percent"
    operator: str = Operator.FROM.value
    limit: str = ""
    recovers_at: str = ""
    for_s: str = "0"
    severity: str = Severity.WARNING.value
    scope: str = ""


@dataclass(frozen=True, slots=True)
class RuleErrors:
    """What is wrong, by field; empty: nothing."""

    name: str = ""
    metric: str = ""
    operator: str = ""
    limit: str = ""
    recovers_at: str = ""
    for_s: str = ""
    severity: str = ""
    scope: str = ""


def rule_rows(rules: Sequence[AlertRule], metrics: Sequence[MetricInfo]) -> list[RuleRow]:
    """Every rule, in the order they were made."""
    known = {metric.name: metric for metric in metrics}
    return [_row(rule, known.get(rule.settings.metric)) for rule in rules]


def choices(metrics: Sequence[MetricInfo]) -> list[Choice]:
    """The metrics to choose from, the pool's first."""
    ordered = sorted(metrics, key=lambda metric: not is_of_pool(metric.name))
    return [Choice(metric.name, f"{metric.words} ({metric.unit})" if metric.unit else metric.words) for metric in ordered]


def fields_of(rule: AlertRule) -> RuleFields:
    """A rule in the form."""
    own = rule.settings
    return RuleFields(
        rule.id,
        own.name,
        own.metric,
        own.operator.value,
        f"{own.limit:g}",
        f"{own.recovers_at:g}",
        f"{own.for_s:g}",
        own.severity.value,
        own.scope,
    )


def body_of(form: Mapping[str, Any]) -> dict[str, object]:
    """What the form says, as the contract takes it.

    Raises:
        InvalidInput: a number is none; with the fields.

    """
    texts = {name: str(form.get(name, "")).strip()[:_LONGEST] for name in FIELDS}
    body: dict[str, object] = {name: texts[name] for name in FIELDS if name not in NUMBERS and texts[name]}
    body["name"] = texts["name"]
    errors = []
    for name in NUMBERS:
        text = _STATUS_WORDS.get(texts[name].lower(), texts[name]) if texts["metric"] == STATUS_METRIC else texts[name]
        text = text.replace(",", ".")
        if not text and name != "limit":
            continue
        try:
            body[name] = _number(text)
        except ValueError:
            errors.append({"field": name, "message": "must be a number"})
    if not texts["name"]:
        errors.append({"field": "name", "message": "must not be blank"})
    if errors:
        raise InvalidInput("Some values are not acceptable.", tuple(errors))
    body.setdefault("recovers_at", body["limit"])
    return body


def errors_of(errors: Sequence[Mapping[str, str]], detail: str) -> tuple[RuleErrors, str]:
    """Each reason at its field, and what has no field as a note."""
    placed = {one["field"]: _sentence(one["message"]) for one in errors if one["field"] in FIELDS}
    return RuleErrors(**placed), "" if placed else detail


def preview_words(answer: Mapping[str, Any], metric: str) -> str:
    """The line under the form: In the last 24 h it would have fired 3 times: 2 by orders, 1 by billing."""
    fired, sources = answer.get("fired"), int(answer.get("sources") or 0)
    if fired is None:
        return "The past of this metric is not kept, so nobody can say how often it would have fired."
    times = {0: "not have fired", 1: "have fired once"}.get(int(fired), f"have fired {words.count(fired)} times")
    if is_of_pool(metric):
        return f"In the last hour it would {times}."
    named = [f"{words.count(one['fired'])} by {one['source']}" for one in (answer.get("by_source") or ())[:_NAMED]]
    return f"In the last 24{words.NB}h it would {times}, over {words.plural(sources, 'source')}{': ' if named else ''}{', '.join(named)}."


def says(rule: RuleSettings, metric: MetricInfo | None) -> str:
    """A rule in words: Pool usage at or above 90 %, recovers at 85 %."""
    unit = metric.unit if metric else ""
    compared = dict(OPERATORS)[rule.operator.value]
    lasting = f" for {words.duration(rule.for_s)}" if rule.for_s else ""
    name = metric.words if metric else rule.metric
    if rule.metric == STATUS_METRIC:
        return f"Status {'unhealthy' if rule.limit > 1 else 'degraded or worse'}{lasting}"
    if rule.metric == "pool.unreachable":
        return f"The database does not answer{lasting}"
    recovers = f", recovers at {words.quantity(rule.recovers_at, unit)}" if rule.recovers_at != rule.limit else ""
    return f"{name} {compared} {words.quantity(rule.limit, unit)}{lasting}{recovers}"


def scope_words(scope: str) -> str:
    """Which sources, in words."""
    what, _, named = scope.partition(":")
    return {"pool": "The pool", "all": "All sources", "id": f"Source {named}", "tag": f"Tag {named}"}.get(what, scope)


def _row(rule: AlertRule, metric: MetricInfo | None) -> RuleRow:
    """One rule."""
    look = theme.SEVERITY[rule.settings.severity]
    own = rule.settings
    return RuleRow(
        rule.id, own.name, says(own, metric), scope_words(own.scope), look.word, look.tone, look.icon, own.enabled, rule.is_builtin
    )


def _number(text: str) -> float:
    """A finite number. Raises ValueError."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _sentence(text: str) -> str:
    """A reason with a capital letter."""
    return text[:1].upper() + text[1:]
