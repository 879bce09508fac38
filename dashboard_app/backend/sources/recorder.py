"""Samples on their way to the database: gathered, written many at a time in one statement, and deleted when they are old."""

import contextlib
import logging
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from itertools import islice
from typing import TypeVar

from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DatabaseUnavailable, Failed
from dashboard_app.model.health import Health, Metrics
from dashboard_app.store.samples import SampleStore

log = logging.getLogger(__name__)

BUFFER_LIMIT = 20_000
"""Samples of each kind that wait while the database is away; beyond it the oldest goes and is counted."""
BATCH_LIMIT = 1_000
"""Samples of each kind that one statement carries."""
FORGET_EVERY_S = 3_600.0

_Sample = TypeVar("_Sample", Health, Metrics)


class Recorder:
    """Takes samples without waiting; `flush` writes them."""

    def __init__(
        self, store: SampleStore, clock: Clock, keep_days: int, label: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
    ) -> None:
        """`label` names our checkouts to the pool guard, as `lambda: guard.holding(task="sources.samples")`."""
        self._store = store
        self._clock = clock
        self._keep = timedelta(days=keep_days)
        self._label = label
        self._healths: deque[Health] = deque()
        self._metrics: deque[Metrics] = deque()
        self._forget_at = clock.monotonic()
        self.dropped_total = 0

    @property
    def waiting(self) -> int:
        """Samples that are not written yet."""
        return len(self._healths) + len(self._metrics)

    def health(self, health: Health) -> None:
        """Take in a sample of health."""
        self._take(self._healths, health)

    def metrics(self, metrics: Metrics) -> None:
        """Take in a sample of metrics."""
        self._take(self._metrics, metrics)

    async def flush(self) -> None:
        """Write everything that waits, a thousand of each kind a statement; with the database away it goes on waiting."""
        while self.waiting:
            healths, metrics = list(islice(self._healths, BATCH_LIMIT)), list(islice(self._metrics, BATCH_LIMIT))
            try:
                with self._label():
                    await self._store.write(healths, metrics)
            except DatabaseUnavailable as error:
                log.debug("%d samples wait: %s", self.waiting, error.detail)
                return
            except Failed:
                self.dropped_total += len(healths) + len(metrics)
                log.exception("%d samples are given up, so that they do not hold up the rest", len(healths) + len(metrics))
            _take_out(self._healths, healths)
            _take_out(self._metrics, metrics)

    async def forget(self) -> None:
        """Delete what is older than the days to keep, once an hour."""
        if self._clock.monotonic() < self._forget_at:
            return
        try:
            with self._label():
                deleted = await self._store.forget(self._clock.now() - self._keep)
        except DatabaseUnavailable as error:
            log.debug("old samples stay for now: %s", error.detail)
            return
        self._forget_at = self._clock.monotonic() + FORGET_EVERY_S
        log.debug("%d old samples deleted", deleted)

    def _take(self, buffer: deque[_Sample], sample: _Sample) -> None:
        """Append; when the buffer is full its oldest sample goes."""
        if len(buffer) >= BUFFER_LIMIT:
            buffer.popleft()
            self.dropped_total += 1
        buffer.append(sample)


def _take_out(buffer: deque[_Sample], written: list[_Sample]) -> None:
    """Remove from the front what was written; what was dropped in the meantime is gone already."""
    for sample in written:
        if buffer and buffer[0] is sample:
            buffer.popleft()
