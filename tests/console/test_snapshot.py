"""The snapshot: versions, ages, what the list brings, and the way to disk and back."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from dashboard_app.console.client.contract import ListedSource, parse_page, parse_source, source_body
from dashboard_app.console.snapshot import Snapshot
from dashboard_app.console.snapshot_file import SnapshotFile
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed
from dashboard_app.model.health import Check, CheckStatus, Health, HealthStatus, Metrics
from dashboard_app.model.pool import Level, ThrottlingConfig
from dashboard_app.model.source import SourceKind, SourceSettings

SOURCE = parse_source(
    {"id": 1, "name": "s", "kind": "postgresql", "host": "h", "port": 5432, "tags": ["a"], "options": {"sslmode": "require"}}
)


def health_at(clock: ManualClock, status: HealthStatus = HealthStatus.HEALTHY) -> Health:
    check = Check("connect", CheckStatus.PASS, 3.1, "ms")
    return Health(1, status, clock.now(), 3.1, clock.now(), None, (check,))


def test_the_version_grows_with_what_is_new_only() -> None:
    clock = ManualClock()
    snapshot, told = Snapshot(clock), []
    snapshot.on_change(lambda: told.append(snapshot.version))
    listed = ListedSource(SOURCE, None, None)
    snapshot.set_sources([listed])
    snapshot.set_sources([listed])
    snapshot.set_pool({"status": "healthy", "measured_at": "1"})
    snapshot.set_pool({"status": "healthy", "measured_at": "2"})
    snapshot.set_health(health_at(clock))
    assert told == [1, 2, 3]


def test_a_list_brings_newer_healths_and_the_strip_and_takes_what_is_gone() -> None:
    clock = ManualClock()
    snapshot = Snapshot(clock)
    snapshot.set_sources([ListedSource(SOURCE, None, None)])
    snapshot.set_health(health_at(clock))
    assert snapshot.recent[1] == "o"
    clock.tick(10)
    newer = health_at(clock, HealthStatus.UNHEALTHY)
    clock.tick(5)
    snapshot.set_sources([ListedSource(SOURCE, newer, "oob")])
    assert (snapshot.health[1].value, snapshot.health[1].age_s(clock.monotonic())) == (newer, 5)
    snapshot.set_sources([ListedSource(SOURCE, replace(newer, checked_at=clock.now() - timedelta(hours=1)), "oob")])
    assert snapshot.health[1].value == newer
    snapshot.set_health(health_at(clock))
    assert snapshot.recent[1] == "oob"
    assert snapshot.ages_s() == (0, 0)
    snapshot.set_sources([])
    assert (snapshot.health, snapshot.recent, snapshot.ages_s()) == ({}, {}, None)


async def test_disk_and_back_keeps_values_and_true_ages(tmp_path: Path) -> None:
    clock = ManualClock()
    before = Snapshot(clock)
    file = SnapshotFile(tmp_path / "deep" / "snapshot.json", before, clock)
    before.set_sources([ListedSource(SOURCE, None, "ow")])
    before.set_health(health_at(clock))
    before.set_metrics(Metrics(1, clock.now(), {"connections_used": 12.0}, {"connections_used": "connections"}))
    before.set_pool({"status": "healthy"})
    before.set_throttling(ThrottlingConfig(Level.AGGRESSIVE, 3, 30, 1000, False, False, "warning", 83.3, ("why",), 42, 30.0, clock.now()))
    await file.save()
    await file.save()
    later = ManualClock(clock.now() + timedelta(seconds=90))
    after = Snapshot(later)
    assert SnapshotFile(tmp_path / "deep" / "snapshot.json", after, later).load()
    assert after.sources == before.sources
    assert after.recent == before.recent
    assert (after.health[1].value, after.health[1].age_s(later.monotonic())) == (before.health[1].value, 90)
    assert after.metrics[1].value == before.metrics[1].value
    assert after.pool is not None
    assert after.throttling is not None
    assert before.throttling is not None
    assert (after.pool.value, after.throttling.value) == ({"status": "healthy"}, before.throttling.value)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["snapshot.json"]


async def test_a_disk_that_refuses_is_logged_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    snapshot = Snapshot(clock)
    (tmp_path / "taken").write_text("a file where the folder should be")
    file = SnapshotFile(tmp_path / "taken" / "snapshot.json", snapshot, clock)
    assert not file.load()
    snapshot.touch()
    await file.save()
    assert "could not be saved" in caplog.text


def test_a_list_of_another_server_is_taken_as_far_as_it_is_understood() -> None:
    page = parse_page({"items": [{"id": 1, "name": "a", "kind": "postgresql"}, {"id": 2, "name": "b", "kind": "oracle"}]})
    assert [(item.source.id, item.health, item.recent) for item in page.items] == [(1, None, None)]
    assert page.total == 2


@pytest.mark.parametrize(
    "body", [None, [], {"items": [1]}, {"items": [{"id": 1, "kind": "redis", "name": "n", "health": {"status": "odd"}}]}]
)
def test_a_list_that_is_not_one_is_garbage(body: object) -> None:
    with pytest.raises(BackendFailed) as failure:
        parse_page(body)
    assert failure.value.cause == "garbage"


def test_settings_without_a_password_send_none() -> None:
    assert "password" not in source_body(SourceSettings("n", SourceKind.POSTGRESQL, "h", 1))
