"""What the calls about alerts take and give."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictStr

from dashboard_app.backend.api.values import LARGEST_ID, Answer, Body, Moment, Name, Parameters, Text200, Truth, absent
from dashboard_app.model.alert import AlertState, Operator, RuleSettings, Severity
from dashboard_app.policy.alert_rule import LARGEST_LIMIT, LONGEST_FOR_S, is_of_pool


def _number(value: Any) -> Any:
    """`value`, when it is a number; a truth value and a text are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic turns a ValueError into a reason
    return float(value) if abs(value) <= LARGEST_LIMIT else value


def _reason(value: str) -> str:
    """`value` without blanks at its ends."""
    return value.strip()


AnyCase = BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value)
Number = Annotated[float, BeforeValidator(_number), Field(ge=-LARGEST_LIMIT, le=LARGEST_LIMIT)]
Seconds = Annotated[float, BeforeValidator(_number), Field(ge=0, le=LONGEST_FOR_S)]
Metric = Annotated[StrictStr, Field(min_length=1, max_length=120, pattern=r"^[a-z0-9_.]+$")]
Scope = Annotated[Text200, Field(description="pool, all, id:<source id> or tag:<tag>; left out: pool or all, as the metric asks for.")]


class AlertsQuery(Parameters):
    """Which alerts."""

    state: Annotated[Literal["open", "firing", "acknowledged", "silenced", "resolved"] | None, AnyCase] = Field(
        default=None, description="open: everything that is not resolved; left out: all."
    )
    limit: int = Field(default=100, ge=1, le=500)
    before: int | None = Field(default=None, ge=1, le=2**63 - 1, description="Only alerts with a smaller id: the next page.")


class SilenceIn(Body):
    """Until when, and why."""

    until: Moment
    reason: Annotated[Text200, AfterValidator(_reason)] = ""


class RuleIn(Body):
    """A rule to create, or to try. `recovers_at` left out: at the limit."""

    name: Name
    metric: Metric
    operator: Operator = Operator.FROM
    limit: Number
    recovers_at: Number | None = None
    for_s: Seconds = 0.0
    severity: Annotated[Severity, AnyCase] = Severity.WARNING
    scope: Scope | None = None
    enabled: Truth = True

    def settings(self) -> RuleSettings:
        """The same as a value of the model."""
        return RuleSettings(
            name=self.name,
            metric=self.metric,
            operator=self.operator,
            limit=self.limit,
            recovers_at=self.limit if self.recovers_at is None else self.recovers_at,
            severity=self.severity,
            scope=self.scope or ("pool" if is_of_pool(self.metric) else "all"),
            for_s=self.for_s,
            enabled=self.enabled,
        )


class RulePatch(Body):
    """What to change; what is left out stays."""

    name: Name = Field(default_factory=absent)
    metric: Metric = Field(default_factory=absent)
    operator: Operator = Field(default_factory=absent)
    limit: Number = Field(default_factory=absent)
    recovers_at: Number = Field(default_factory=absent)
    for_s: Seconds = Field(default_factory=absent)
    severity: Annotated[Severity, AnyCase] = Field(default_factory=absent)
    scope: Scope = Field(default_factory=absent)
    enabled: Truth = Field(default_factory=absent)

    def changes(self) -> dict[str, Any]:
        """Only what was given, by field name of `RuleSettings`."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class AlertOut(Answer):
    """One alert. `source_id` null: the pool. `covered_by`: the id of the stricter alert that speaks for this one."""

    id: int
    rule: str
    severity: Severity
    source: str
    message: str
    opened_at: datetime
    resolved_at: datetime | None
    acknowledged_by: str | None
    silenced_until: datetime | None
    state: AlertState
    rule_id: int
    source_id: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None
    value: float
    acknowledged_at: datetime | None
    silenced_by: str | None
    silence_reason: str | None
    covered_by: int | None


class AlertsOut(Answer):
    """Alerts, newest first."""

    items: list[AlertOut]


class RuleOut(Answer):
    """One rule."""

    id: int
    name: str
    metric: str
    operator: Operator
    limit: float
    recovers_at: float
    for_s: float
    severity: Severity
    scope: str
    enabled: bool
    is_builtin: bool
    created_at: datetime
    updated_at: datetime


class MetricOut(Answer):
    """What a rule may be about."""

    name: str
    unit: str
    words: str


class RulesOut(Answer):
    """Every rule, and the metrics that rules may name."""

    items: list[RuleOut]
    metrics: list[MetricOut]


class PreviewSource(Answer):
    """How often a rule would have fired for one source."""

    source: str
    fired: int


class PreviewOut(Answer):
    """How often a rule would have fired since `since`; null: no past is kept of its metric."""

    fired: int | None
    since: datetime
    sources: int
    by_source: list[PreviewSource]
