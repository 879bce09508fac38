"""How states look: each has a word, a tone and an icon. Nowhere else are states turned into colours or words."""

from dataclasses import dataclass

from dashboard_app.model.alert import Severity
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.pool import Level, PoolHealth
from dashboard_app.model.source import SourceKind


@dataclass(frozen=True, slots=True)
class Look:
    """A state as people see it. `tone` is one of ok, warn, high, bad, off (CSS class `t-<tone>`); `icon` a lucide name."""

    word: str
    tone: str
    icon: str


STATUS = {
    HealthStatus.HEALTHY: Look("Healthy", "ok", "circle-check"),
    HealthStatus.DEGRADED: Look("Degraded", "warn", "triangle-alert"),
    HealthStatus.UNHEALTHY: Look("Unhealthy", "bad", "octagon-x"),
    HealthStatus.UNKNOWN: Look("Unknown", "off", "circle-dashed"),
}
"""A source's state."""

PAUSED = Look("Paused", "off", "circle-dashed")
"""A source that an operator switched off."""

LEVEL = {
    Level.NORMAL: Look("NORMAL", "ok", "circle-check"),
    Level.MODERATE: Look("MODERATE", "warn", "triangle-alert"),
    Level.AGGRESSIVE: Look("AGGRESSIVE", "high", "circle-arrow-up"),
    Level.EMERGENCY: Look("EMERGENCY", "bad", "octagon-x"),
}
"""A throttling level. Its word is written in capitals, always."""

POOL = {
    PoolHealth.HEALTHY: Look("Healthy", "ok", "circle-check"),
    PoolHealth.DEGRADED: Look("Degraded", "warn", "triangle-alert"),
    PoolHealth.CRITICAL: Look("Critical", "bad", "octagon-x"),
    PoolHealth.UNAVAILABLE: Look("Unavailable", "bad", "octagon-x"),
}
"""The verdict on the pool."""

BREAKER = {
    BreakerState.CLOSED: Look("Closed", "ok", "shield-check"),
    BreakerState.OPEN: Look("Open", "bad", "shield-x"),
    BreakerState.HALF_OPEN: Look("Trying", "warn", "shield-ellipsis"),
    BreakerState.FORCED_OPEN: Look("Held open", "bad", "lock"),
    BreakerState.DISABLED: Look("Off: never opens", "off", "shield-off"),
    BreakerState.METRICS_ONLY: Look("Watch only", "off", "eye"),
}
"""A circuit breaker's state."""

SHUT = frozenset({BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.FORCED_OPEN})
"""The states in which a breaker refuses ordinary calls."""

SEVERITY = {
    Severity.INFO: Look("Info", "off", "info"),
    Severity.WARNING: Look("Warning", "warn", "triangle-alert"),
    Severity.CRITICAL: Look("Critical", "bad", "octagon-x"),
}
"""How much an alert matters."""

KIND_ICON = {
    SourceKind.POSTGRESQL: "database",
    SourceKind.PGBOUNCER: "waypoints",
    SourceKind.MYSQL: "cylinder",
    SourceKind.REDIS: "layers",
    SourceKind.HTTP: "globe",
    SourceKind.SERVICE: "box",
}
"""What a source is, as a lucide name."""

WORST_FIRST = (HealthStatus.UNHEALTHY, HealthStatus.DEGRADED, HealthStatus.UNKNOWN, HealthStatus.HEALTHY)
"""The order in which states need a person."""


def usage_bar(usage_percent: float) -> str:
    """The class of a pool bar's fill: `n` below 70 %, then `warn`, `high` from 80, `bad` from 90."""
    if usage_percent >= 90:  # noqa: PLR2004 - the levels' own thresholds, named in the docstring
        return "bad"
    if usage_percent >= 80:  # noqa: PLR2004 - as above
        return "high"
    return "warn" if usage_percent >= 70 else "n"  # noqa: PLR2004 - as above
