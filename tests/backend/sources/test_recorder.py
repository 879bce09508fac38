from datetime import UTC, datetime

import pytest

from dashboard_app.backend.sources import recorder as recorder_module
from dashboard_app.backend.sources.recorder import Recorder
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import DatabaseUnavailable, Failed
from dashboard_app.model.health import Health, HealthStatus, Metrics

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class FakeStore:
    def __init__(self) -> None:
        self.is_away = self.refuses = False
        self.batches: list[tuple[int, int]] = []
        self.forgotten: list[datetime] = []

    async def write(self, healths, metrics) -> None:
        if self.is_away:
            raise DatabaseUnavailable
        if self.refuses:
            raise Failed
        self.batches.append((len(healths), len(metrics)))

    async def forget(self, before) -> int:
        if self.is_away:
            raise DatabaseUnavailable
        self.forgotten.append(before)
        return 0


@pytest.fixture
def store():
    return FakeStore()


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
def recorder(store, clock):
    return Recorder(store, clock, keep_days=14)


def take(recorder, healths=0, metrics=0):
    for n in range(healths):
        recorder.health(Health(n, HealthStatus.HEALTHY, NOW, 1.0, NOW))
    for n in range(metrics):
        recorder.metrics(Metrics(n, NOW, {"size_bytes": 1.0}))


async def test_many_samples_are_one_statement_and_nothing_is_none(recorder, store):
    await recorder.flush()
    take(recorder, healths=7, metrics=3)
    await recorder.flush()
    assert store.batches == [(7, 3)]
    assert recorder.waiting == 0


async def test_a_statement_carries_a_thousand_of_each_kind(recorder, store):
    take(recorder, healths=2100, metrics=1)
    await recorder.flush()
    assert store.batches == [(1000, 1), (1000, 0), (100, 0)]


async def test_with_the_database_away_the_oldest_goes_and_is_counted(recorder, store, monkeypatch):
    monkeypatch.setattr(recorder_module, "BUFFER_LIMIT", 5)
    store.is_away = True
    take(recorder, healths=7)
    await recorder.flush()
    assert (recorder.waiting, recorder.dropped_total) == (5, 2)
    assert [health.data_source_id for health in recorder._healths] == [2, 3, 4, 5, 6]
    store.is_away = False
    await recorder.flush()
    assert store.batches == [(5, 0)]


async def test_samples_that_the_database_refuses_are_counted_and_hold_up_nothing(recorder, store):
    take(recorder, healths=3)
    store.refuses = True
    await recorder.flush()
    store.refuses = False
    take(recorder, healths=1)
    await recorder.flush()
    assert (recorder.waiting, recorder.dropped_total, store.batches) == (0, 3, [(1, 0)])


async def test_old_samples_are_deleted_once_an_hour_and_tried_again_when_that_failed(recorder, store, clock):
    store.is_away = True
    await recorder.forget()
    store.is_away = False
    await recorder.forget()
    await recorder.forget()
    assert store.forgotten == [datetime(2025, 12, 18, tzinfo=UTC)]
    clock.tick(3600)
    await recorder.forget()
    assert len(store.forgotten) == 2
