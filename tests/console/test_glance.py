"""What many open pages show alike is read once for all of them, and anew as soon as it can have changed."""

from types import SimpleNamespace

import pytest

from dashboard_app.console import glance as module
from dashboard_app.console.glance import GOOD_FOR_S, Glance, glance
from dashboard_app.console.snapshot import Snapshot
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.pool import Level, ThrottlingConfig


@pytest.fixture
def console() -> SimpleNamespace:
    clock = ManualClock()
    return SimpleNamespace(clock=clock, snapshot=Snapshot(clock), fallback=lambda: None)


def test_pages_of_the_same_moment_share_a_glance(console: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    monkeypatch.setattr(module.frame, "read", lambda one: reads.append(one) or {"round_text": "1 / 2"})
    frames = {id(glance(console).frame) for _ in range(1000)}
    assert (len(frames), len(reads)) == (1, 1)


def test_a_glance_ends_with_a_change_with_its_time_for_another_console_and_for_whoever_has_just_acted(console: SimpleNamespace) -> None:
    first = glance(console)
    console.clock.tick(GOOD_FOR_S / 2)
    assert glance(console) is first
    console.snapshot.touch()
    second = glance(console)
    assert second is not first
    console.clock.tick(GOOD_FOR_S)
    third = glance(console)
    assert third is not second
    assert glance(console, fresh=True) is not third
    assert glance(SimpleNamespace(clock=console.clock, snapshot=console.snapshot)) is not glance(console)


def test_what_was_worked_out_once_is_kept(console: SimpleNamespace) -> None:
    one, made = Glance(console), []
    assert [one.kept("a", lambda: made.append(1) or "x") for _ in range(3)] == ["x", "x", "x"]
    assert made == [1]


def test_what_is_no_news_of_a_source_leaves_the_list_as_it_is(console: SimpleNamespace) -> None:
    snapshot = console.snapshot
    versions = snapshot.version, snapshot.list_version
    snapshot.set_pool({"status": "healthy"})
    snapshot.set_throttling(ThrottlingConfig(Level.NORMAL, 10, 600, 0, False, False, None, 0.0, (), 1, 5.0, console.clock.now()))
    snapshot.set_alerts(())
    assert (snapshot.version, snapshot.list_version) == (versions[0] + 3, versions[1])
    snapshot.set_sources(())
    snapshot.touch()
    assert snapshot.list_version > versions[1]
