"""The words of alerting: a rule says what is wrong, an alert says where and since when it is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

POOL_ID = 0
"""Stands for the guarded pool where an alert names its source; ids of sources begin at 1."""
POOL_NAME = "pool"


class Severity(StrEnum):
    """How much an alert matters, from the least on."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info, 2 for critical."""
        return list(Severity).index(self)


class Operator(StrEnum):
    """How a value is held against the limit of a rule."""

    ABOVE = ">"
    FROM = ">="
    BELOW = "<"
    DOWN_FROM = "<="

    @property
    def is_upward(self) -> bool:
        """True when large values are bad."""
        return self in (Operator.ABOVE, Operator.FROM)


class AlertState(StrEnum):
    """Where an alert stands. Silence hides an acknowledgement, and the end hides both."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """What an admin enters.

    `metric` is one of the pool's (`pool.usage_percent`) or of the sources' (`source.status`, `source.<number a probe gives>`).
    `scope`: pool, all, `id:<source id>` or `tag:<tag>`. `for_s`: how long the value must stay past `limit`; 0: at once.
    `recovers_at`: the value at which it is over, on the good side of `limit` or at it.
    """

    name: str
    metric: str
    operator: Operator
    limit: float
    recovers_at: float
    severity: Severity
    scope: str = "pool"
    for_s: float = 0.0
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class AlertRule:
    """A rule as it is kept. Built-in ones may be changed and switched off, never deleted."""

    id: int
    settings: RuleSettings
    is_builtin: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """One time that one rule fired for one source. `source_id` 0: the pool; `value`: what was read when it opened.

    Name, severity and message are those of the moment it opened, so that history stays true when the rule is changed or deleted.
    """

    id: int
    rule_id: int
    rule: str
    severity: Severity
    source_id: int
    source: str
    message: str
    value: float
    opened_at: datetime
    resolved_at: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    silenced_until: datetime | None = None
    silenced_by: str | None = None
    silence_reason: str | None = None


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """A metric that a rule may name: its unit, and what it says in a few words."""

    name: str
    unit: str
    words: str
