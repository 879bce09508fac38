"""What is remembered of every source between two probes: its last health and its last 30 letters."""

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime

from dashboard_app.model.health import Health, HealthStatus, Metrics
from dashboard_app.policy.health import aged
from dashboard_app.store.samples import RecentHealth

RECENT_LETTERS = 30
RESTORED_LIMIT_S = 600.0
"""A sample of a former run that is older than this says nothing about now: its source is unknown until it is probed."""
_BY_LETTER = {status.letter: status for status in HealthStatus}


class Recall:
    """Memory shared by the registry, which shows it, and the probing, which fills it. Bounded by the number of sources."""

    def __init__(self) -> None:
        """Begin with nothing remembered."""
        self._last: dict[int, Health] = {}
        self._letters: dict[int, deque[str]] = {}
        self._metrics: dict[int, Metrics] = {}

    def last(self, source_id: int) -> Health | None:
        """The last health of a source; None when it was never probed."""
        return self._last.get(source_id)

    def last_metrics(self, source_id: int) -> Metrics | None:
        """The last numbers of a source; None when it gave none yet."""
        return self._metrics.get(source_id)

    def measured(self, metrics: Metrics) -> None:
        """Take in new numbers."""
        self._metrics[metrics.data_source_id] = metrics

    def recent(self, source_id: int) -> str:
        """Up to 30 letters, oldest first."""
        return "".join(self._letters.get(source_id, ()))

    def statuses(self) -> Mapping[int, HealthStatus]:
        """The last status of every source that was probed."""
        return {source_id: health.status for source_id, health in self._last.items()}

    def remember(self, health: Health) -> None:
        """Take in a new outcome."""
        self._last[health.data_source_id] = health
        self._letters.setdefault(health.data_source_id, deque(maxlen=RECENT_LETTERS)).append(health.status.letter)

    def restore(self, samples: Iterable[RecentHealth], now: datetime) -> None:
        """Take in what former runs kept; what this run has seen itself is left alone, its letters are put behind the old ones."""
        for sample in samples:
            fresh = self._letters.get(sample.source_id, ())
            self._letters[sample.source_id] = deque((*sample.letters, *fresh), maxlen=RECENT_LETTERS)
            status = _BY_LETTER[sample.status]
            latency_ms = None if sample.latency_ms is None else round(sample.latency_ms, 3)
            restored = Health(sample.source_id, status, sample.since, latency_ms, sample.checked_at, sample.message)
            self._last.setdefault(sample.source_id, aged(restored, now, RESTORED_LIMIT_S))

    def keep_only(self, source_ids: Iterable[int]) -> None:
        """Forget every source but these."""
        for source_id in (set(self._letters) | set(self._metrics)) - set(source_ids):
            self._letters.pop(source_id, None)
            self._last.pop(source_id, None)
            self._metrics.pop(source_id, None)
