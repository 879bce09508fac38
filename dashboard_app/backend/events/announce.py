"""What Spillway itself announces: levels, cleanups, alerts, sources, jobs. The console's breakers and rounds are told by `wiring`."""

from collections.abc import Sequence
from typing import Any, Protocol

from dashboard_app.backend.events.publisher import Events
from dashboard_app.model.alert import Alert
from dashboard_app.model.job import JobStatus, JobUpdate
from dashboard_app.model.pool import Level, ThrottlingConfig

JOB_TYPES = {
    JobStatus.PENDING: "JOB_PENDING",
    JobStatus.PROCESSING: "JOB_STARTED",
    JobStatus.COMPLETED: "JOB_COMPLETED",
    JobStatus.ERROR: "JOB_FAILED",
    JobStatus.CANCELLED: "JOB_CANCELLED",
}


class Round(Protocol):
    """A round of the loader that has ended."""

    @property
    def failed(self) -> int:
        """Sources that could not be read."""

    @property
    def duration_s(self) -> float:
        """How long it took."""


class Announcer:
    """Turns what happens into events. Every method is quick, never waits, and may be called from any thread."""

    def __init__(self, events: Events) -> None:
        """Nothing has happened."""
        self._events = events
        self._level = Level.NORMAL

    def level(self, config: ThrottlingConfig) -> None:
        """The throttling level, or whether the database answers, has changed."""
        before, self._level = self._level, config.level
        data = {
            "level": config.level.value,
            "previous": before.value,
            "usage_percent": config.usage_percent,
            "version": config.version,
        }
        self._tell("guard", "LEVEL_CHANGED", data)

    def cleanup(self, report: dict[str, Any], *, forced: bool) -> None:
        """The pool was cleaned up."""
        figures: dict[str, Any] = {name: report[name] for name in ("closed_idle", "reclaimed", "terminated_backends") if name in report}
        self._tell("guard", "POOL_CLEANED", {**figures, "forced": forced})

    def alert(self, event_type: str, alert: Alert) -> None:
        """An alert has opened, or is over: `ALERT_OPENED`, `ALERT_RESOLVED`."""
        data = {
            "alert_id": alert.id,
            "rule": alert.rule,
            "severity": alert.severity.value,
            "source_id": alert.source_id,
            "source": alert.source,
            "message": alert.message,
        }
        self._tell("alerts", event_type, data)

    def source(self, source_id: int, name: str, status: str, previous: str) -> None:
        """The health of a source has changed."""
        self._tell("sources", "SOURCE_CHANGED", {"source_id": source_id, "name": name, "status": status, "previous": previous})

    def jobs(self, updates: Sequence[JobUpdate]) -> None:
        """Statuses were written, many at a time: they go on as they came, combined by status."""
        by_type: dict[str, list[dict[str, Any]]] = {}
        for update in updates:
            by_type.setdefault(JOB_TYPES[update.status], []).append({"job_id": update.job_id})
        for event_type, data in by_type.items():
            self._events.publish_many(event_type, data, source="jobs")

    def breaker(self, name: str, before: str, after: str, cause: str) -> None:
        """A circuit breaker has moved."""
        self._tell("breakers", "BREAKER_CHANGED", {"name": name, "from": before, "to": after, "cause": cause})

    def round(self, lane: str, ended: Round) -> None:
        """The loader has read every source once."""
        self._tell("loader", "ROUND_FINISHED", {"lane": lane, "failed": ended.failed, "duration_s": round(ended.duration_s, 3)})

    def _tell(self, source: str, event_type: str, data: dict[str, Any]) -> None:
        """Publish, from wherever this is called."""
        self._events.announce(event_type, data, source=source)
