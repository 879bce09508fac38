"""What a probe finds: checks, folded into one status; and the numbers it measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class HealthStatus(StrEnum):
    """The state of a source. Unknown means nobody could look; it is not healthy."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"

    @property
    def letter(self) -> str:
        """One character for the strip of the last outcomes: o w b u."""
        return {"healthy": "o", "degraded": "w", "unhealthy": "b", "unknown": "u"}[self.value]


class CheckStatus(StrEnum):
    """The verdict of one check."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One named check. `observed` is in `unit` ("ms", "s", "%", "connections", "" for words); None: could not be measured.

    `limit` says in words what would warn or fail ("warns from 70 %"); `message` says what was found when it is not a pass.
    `since` is when the present verdict began; None: not known.
    """

    name: str
    status: CheckStatus
    observed: float | str | bool | None = None
    unit: str = ""
    limit: str = ""
    message: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The health of one source at one moment. `since` is when the present status began; `latency_ms` None: no answer."""

    data_source_id: int
    status: HealthStatus
    since: datetime | None
    latency_ms: float | None
    checked_at: datetime | None
    message: str | None = None
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Metrics:
    """The numbers of one source at one moment. A metric that could not be measured is absent, never zero."""

    data_source_id: int
    collected_at: datetime
    metrics: Mapping[str, float]
    units: Mapping[str, str] = field(default_factory=dict)
