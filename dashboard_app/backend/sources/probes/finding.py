"""What every probe gives, whatever its kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.model.health import Check
from dashboard_app.model.source import TestReport


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look at a source found. `latency_ms` None: no answer; `timed_out`: because the limit passed.

    Without checks nobody looked; `message` then says why.
    """

    checks: tuple[Check, ...]
    latency_ms: float | None
    timed_out: bool = False
    message: str = ""


class Probe(Protocol):
    """Reads one source over at most one connection. Its caller runs one call at a time."""

    target: Target
    units: Mapping[str, str]

    async def health(self, limit_s: float) -> Finding:
        """What is found within `limit_s`; never raises for a failing source."""

    async def metrics(self, limit_s: float) -> dict[str, float]:
        """The metrics by name; raises ProbeFailed."""

    async def test(self, limit_s: float) -> TestReport:
        """Each step with its time, up to the first that fails."""

    async def release(self, idle_s: float) -> None:
        """Close what has been idle for `idle_s`."""

    async def close(self) -> None:
        """Close what is open."""
