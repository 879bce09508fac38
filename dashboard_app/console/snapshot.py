"""The last known values with their age: what pages show at once, and what is shown while the server is away."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from dashboard_app.console.client.alerts import ListedAlert
from dashboard_app.console.client.contract import ListedSource, parse_health, parse_metrics, parse_source, parse_throttling
from dashboard_app.model.clock import Clock
from dashboard_app.model.health import Health, Metrics
from dashboard_app.model.pool import ThrottlingConfig
from dashboard_app.model.source import Source

Value = TypeVar("Value")
_RECENT_KEPT = 30


@dataclass(frozen=True, slots=True)
class Reading(Generic[Value]):
    """A value and when it came, in monotonic seconds of this process (set back by its age when it came from disk)."""

    value: Value
    received_mono: float

    def age_s(self, now_mono: float) -> float:
        """How old it is, in seconds; never negative."""
        return max(now_mono - self.received_mono, 0.0)


class Snapshot:
    """One per process, written by the loader and the polls; bounded by the list of sources.

    `version` grows with each change, `list_version` with one that may concern sources, their healths, metrics and strips.
    """

    def __init__(self, clock: Clock) -> None:
        """Nothing is known."""
        self._clock = clock
        self._listeners: list[Callable[[], None]] = []
        self._own_recent: set[int] = set()
        self.version = 0
        self.list_version = 0
        self.sources: dict[int, Source] = {}
        self.sources_at: float | None = None
        self.health: dict[int, Reading[Health]] = {}
        self.metrics: dict[int, Reading[Metrics]] = {}
        self.recent: dict[int, str] = {}
        self.pool: Reading[dict[str, Any]] | None = None
        self.throttling: Reading[ThrottlingConfig] | None = None
        self.alerts: Reading[tuple[ListedAlert, ...]] | None = None
        self.are_alerts_offered = True

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change."""
        self._listeners.append(listener)

    def set_sources(self, items: Iterable[ListedSource]) -> None:
        """Take over a full list; what is known of sources that are gone is forgotten."""
        listed = tuple(items)
        before = (self.sources, dict(self.health), dict(self.recent))
        self.sources = {item.source.id: item.source for item in listed}
        self.sources_at = self._clock.monotonic()
        for known in (self.health, self.metrics, self.recent):
            for gone in known.keys() - self.sources.keys():
                del known[gone]
        for item in listed:
            self._take_from_list(item)
        if before != (self.sources, self.health, self.recent):
            self.touch()

    def set_health(self, health: Health) -> None:
        """Take over a fresh health; its letter joins the strip unless the list brings strips."""
        source_id = health.data_source_id
        self.health[source_id] = Reading(health, self._clock.monotonic())
        if source_id not in self.recent or source_id in self._own_recent:
            self._own_recent.add(source_id)
            self.recent[source_id] = (self.recent.get(source_id, "") + health.status.letter)[-_RECENT_KEPT:]
        self.touch()

    def has_status(self, source_id: int, status: str) -> bool:
        """True when the last health of this source has this status."""
        known = self.health.get(source_id)
        return known is not None and known.value.status.value == status

    def set_metrics(self, metrics: Metrics) -> None:
        """Take over fresh numbers."""
        self.metrics[metrics.data_source_id] = Reading(metrics, self._clock.monotonic())
        self.touch()

    def set_pool(self, status: dict[str, Any]) -> None:
        """Take over a fresh status of the pool; one that only says the same a second later is no change."""
        before, self.pool = self.pool, Reading(status, self._clock.monotonic())
        if before is None or _without_time(before.value) != _without_time(status):
            self._tell()

    def set_throttling(self, config: ThrottlingConfig) -> None:
        """Take over a fresh throttling-config."""
        self.throttling = Reading(config, self._clock.monotonic())
        self._tell()

    def set_alerts(self, alerts: tuple[ListedAlert, ...] | None) -> None:
        """Take over what fires; None: this server has no alerts. The same as a moment ago is no change."""
        before = (self.are_alerts_offered, None if self.alerts is None else self.alerts.value)
        self.alerts = None if alerts is None else Reading(alerts, self._clock.monotonic())
        self.are_alerts_offered = alerts is not None
        if before != (self.are_alerts_offered, alerts):
            self._tell()

    def touch(self) -> None:
        """Grow the versions and tell the listeners; also for changes that are kept elsewhere (a breaker's move)."""
        self.list_version += 1
        self._tell()

    def _tell(self) -> None:
        """Something has changed, though nothing of a source."""
        self.version += 1
        for listener in self._listeners:
            listener()

    def ages_s(self) -> tuple[float, float] | None:
        """The youngest and the oldest health in seconds; None when there is none."""
        now = self._clock.monotonic()
        ages = [reading.age_s(now) for reading in self.health.values()]
        return (min(ages), max(ages)) if ages else None

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data, each reading with the wall time it was received."""
        return {
            "format": 1,
            "sources": [dataclasses.asdict(source) for source in self.sources.values()],
            "health": [self._reading(reading) for reading in self.health.values()],
            "metrics": [self._reading(reading) for reading in self.metrics.values()],
            "recent": {str(source_id): letters for source_id, letters in self.recent.items()},
            "pool": None if self.pool is None else {"value": self.pool.value, "received_at": self._wall(self.pool.received_mono)},
            "throttling": None if self.throttling is None else self._reading(self.throttling),
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take over what `to_json` gave, with true ages. Values received since stay.

        Raises:
            Failed: the data is not what `to_json` gives.

        """
        sources = [parse_source(each) for each in data["sources"]]
        healths = [(parse_health(each["value"]), each["received_at"]) for each in data["health"]]
        metrics = [(parse_metrics(each["value"]), each["received_at"]) for each in data["metrics"]]
        self.sources = self.sources or {source.id: source for source in sources}
        for health, at in healths:
            self.health.setdefault(health.data_source_id, Reading(health, self._mono(at)))
        for each, at in metrics:
            self.metrics.setdefault(each.data_source_id, Reading(each, self._mono(at)))
        self.recent = {int(source_id): str(letters) for source_id, letters in data["recent"].items()} | self.recent
        if self.pool is None and (pool := data.get("pool")):
            self.pool = Reading(dict(pool["value"]), self._mono(pool["received_at"]))
        if self.throttling is None and (throttling := data.get("throttling")):
            self.throttling = Reading(parse_throttling(throttling["value"]), self._mono(throttling["received_at"]))
        self.touch()

    def _take_from_list(self, item: ListedSource) -> None:
        """Use the health and the strip of a list's row: a health only when it is newer than the known one."""
        source_id, health = item.source.id, item.health
        if item.recent is not None:
            self._own_recent.discard(source_id)
            self.recent[source_id] = item.recent
        if health is None or health.checked_at is None:
            return
        known = self.health.get(source_id)
        if known is None or known.value.checked_at is None or health.checked_at > known.value.checked_at:
            self.health[source_id] = Reading(health, self._mono(health.checked_at.isoformat()))

    def _reading(self, reading: Reading[Any]) -> dict[str, Any]:
        """One reading of a dataclass as plain data."""
        return {"value": dataclasses.asdict(reading.value), "received_at": self._wall(reading.received_mono)}

    def _wall(self, mono: float) -> datetime:
        """The wall time of a monotonic moment."""
        return self._clock.now() - timedelta(seconds=self._clock.monotonic() - mono)

    def _mono(self, wall: str) -> float:
        """The monotonic moment of a wall time; one in the future counts as now."""
        age_s = (self._clock.now() - datetime.fromisoformat(wall)).total_seconds()
        return self._clock.monotonic() - max(age_s, 0.0)


def _without_time(status: Mapping[str, Any]) -> dict[str, Any]:
    """A status without the moment it was measured."""
    return {name: value for name, value in status.items() if name != "measured_at"}
