from datetime import UTC, datetime, timedelta

import pytest

from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.health import Health, HealthStatus, Metrics
from dashboard_app.store.samples import SampleStore

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(hours=1)
START_MS = int(START.timestamp() * 1000)


def health(second, latency_ms=1.0, status=HealthStatus.HEALTHY, source_id=1):
    return Health(source_id, status, START, latency_ms, START + timedelta(seconds=second))


def metrics(second, **values):
    return Metrics(1, START + timedelta(seconds=second), values, dict.fromkeys(values, "x"))


@pytest.fixture
def samples(database, parts):
    """The store, beside the parts that made source 1."""
    return SampleStore(database)


async def test_all_samples_are_points_while_they_are_few(parts, samples):
    await samples.write([health(20, 2.5), health(10, 1.804), health(30, None), health(3600)], [])
    assert await parts.history.points(1, "latency_ms", START, END) == [(START_MS + 10_000, 1.804), (START_MS + 20_000, 2.5)]


async def test_a_spike_of_one_sample_survives_and_points_stay_within_their_number(parts, samples):
    await samples.write([health(n, 500.0 if n == 1234 else 5.0 + n % 3) for n in range(3600)], [])
    for wanted in (300, 100, 7, 2):
        points = await parts.history.points(1, "latency_ms", START, END, wanted)
        assert len(points) <= wanted
        assert (START_MS + 1_234_000, 500.0) in points
        assert min(value for _, value in points) == 5.0
        assert points == sorted(points)
    assert await parts.history.points(1, "latency_ms", START, END, 1) == [(START_MS + 1_234_000, 500.0)]


async def test_a_time_without_samples_has_no_points(parts, samples):
    await samples.write([health(n) for n in range(600)] + [health(n) for n in range(3000, 3600)], [])
    points = await parts.history.points(1, "latency_ms", START, END, 60)
    assert not [at for at, _ in points if START_MS + 600_000 <= at < START_MS + 3_000_000]


async def test_any_metric_is_read_by_its_name_and_an_unknown_one_is_empty(parts, samples):
    await samples.write([], [metrics(1, connections_used=3.0), metrics(2, connections_used=4.0, size_bytes=9.0)])
    assert await parts.history.points(1, "connections_used", START, END) == [(START_MS + 1000, 3.0), (START_MS + 2000, 4.0)]
    assert await parts.history.points(1, "size_bytes", START, END) == [(START_MS + 2000, 9.0)]
    for unknown in ("no_such_metric", "", "a'b", "x\0", "metrics->>1"):
        assert await parts.history.points(1, unknown, START, END) == []
    assert await parts.history.points(2, "size_bytes", START, END) == []


async def test_the_timeline_shows_the_worst_of_each_span(parts, samples):
    await samples.write(
        [
            health(0),
            health(10, status=HealthStatus.UNHEALTHY),
            health(700, status=HealthStatus.DEGRADED),
            health(1300, status=HealthStatus.UNKNOWN),
            health(1310),
            health(3599),
        ],
        [],
    )
    assert await parts.history.timeline(1, START, END, 6) == "bwu--o"


@pytest.mark.parametrize("number", [0, 1001])
async def test_a_number_of_points_out_of_range_is_refused(parts, number):
    with pytest.raises(InvalidInput):
        await parts.history.points(1, "latency_ms", START, END, number)
    with pytest.raises(InvalidInput):
        await parts.history.timeline(1, START, END, number)


@pytest.mark.parametrize(("since", "until"), [(END, START), (START, START), (START.replace(tzinfo=None), END)])
async def test_a_span_that_ends_before_it_begins_is_refused(parts, since, until):
    with pytest.raises(InvalidInput):
        await parts.history.points(1, "latency_ms", since, until)


async def test_samples_written_twice_or_of_a_source_that_is_gone_are_passed_over(parts, samples):
    await samples.write([health(1), health(1), health(1, source_id=99)], [metrics(1, a=1.0)])
    await samples.write([health(1)], [metrics(1, a=2.0)])
    assert len(await parts.history.points(1, "latency_ms", START, END)) == 1
    assert await parts.history.points(1, "a", START, END) == [(START_MS + 1000, 1.0)]


async def test_forgetting_deletes_what_is_older_and_only_that(parts, samples, monkeypatch):
    monkeypatch.setattr("dashboard_app.store.samples.RETENTION_STEP", 2)
    await samples.write([health(n) for n in range(5)], [metrics(n, a=1.0) for n in range(5)])
    assert await samples.forget(START + timedelta(seconds=3)) == 6
    assert len(await parts.history.points(1, "latency_ms", START, END)) == 2
    assert await samples.forget(START) == 0


async def test_what_is_recent_comes_back_for_every_source_that_has_samples(parts, samples, monkeypatch):
    monkeypatch.setattr("dashboard_app.store.samples._RESTORE_STEP", 1)
    down = HealthStatus.UNHEALTHY
    await samples.write([health(n, status=down if n in {3, 8, 9} else HealthStatus.HEALTHY) for n in range(10)], [])
    (one,) = await samples.recent(4)
    assert (one.source_id, one.letters, one.status) == (1, "oobb", "b")
    assert (one.since, one.checked_at) == (START + timedelta(seconds=8), START + timedelta(seconds=9))
