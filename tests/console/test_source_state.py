"""What the handlers of `/sources/[id]` do, with a fake console."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dashboard_app.console import context
from dashboard_app.console.pages.source_state import SourceState, render
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed
from dashboard_app.model.health import HealthStatus, Metrics
from tests.console.fake_console import ANA, VIC, FakeIdentity, FakeReading
from tests.console.fake_details import detailed
from tests.console.state_pages import opened_at, run


@pytest.fixture
def fake(monkeypatch):
    console = detailed(clock=ManualClock())
    monkeypatch.setattr(context._bound, "console", console)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    return console


async def _page(path: str):
    state = await opened_at(path).get_state(SourceState)
    return state, await run(state, "load")


async def _drawn(path: str):
    state, _ = await _page(path)
    await run(state, "read_charts")
    return state


async def test_a_source_is_shown_at_once_and_its_charts_are_read_behind(fake):
    state, behind = await _page("/sources/3")
    assert (state.missing, state.is_loading, state.source_number) == ("", False, 3)
    assert state.verdict.title.startswith(fake.snapshot.sources[3].name)
    assert behind is not None
    await run(state, "read_charts")
    assert (len(state.charts), state.is_reading, len(state.band.paths) > 0) == (4, False, True)


@pytest.mark.parametrize("path", ["/sources/999", "/sources/none", "/sources/1234567890123"])
async def test_a_source_that_is_not_there_says_so_and_reads_nothing(fake, path):
    state, behind = await _page(path)
    assert state.missing.startswith("There is no source")
    assert behind is None


async def test_a_chart_that_cannot_be_read_keeps_its_frame(fake):
    fake.snapshot.metrics.pop(8, None)
    state = await _drawn("/sources/8")
    assert [row.note for row in state.charts if row.note] == ["History could not be read. The server took too long."]


async def test_a_server_without_a_timeline_has_no_band_and_a_failing_one_keeps_the_last(fake):
    fake.backend.offers_history = False
    state = await _drawn("/sources/3")
    assert state.band.paths == []
    fake.backend.offers_history = True
    await run(state, "read_charts")
    fake.backend.history_failure = BackendFailed("away", cause="timeout")
    await run(state, "read_charts")
    assert len(state.band.paths) > 0


async def test_a_new_sample_after_silence_is_appended_behind_a_gap(fake):
    state = await _drawn("/sources/3")
    end = state._tails["connections_used"]
    fake.clock.tick(1800)
    at = fake.clock.now() + timedelta(seconds=1800)
    fake.snapshot.metrics[3] = FakeReading(Metrics(3, at, {"connections_used": 9.0}), fake.clock.monotonic())
    state._show()
    points = state.patches["connections_used"]["points"]
    assert points[-1] == [at.timestamp(), 9.0]
    assert points[0][1] is None
    assert end.sample_s < points[0][0] < at.timestamp()


async def test_while_nothing_comes_the_gap_is_drawn_on(fake):
    state = await _drawn("/sources/3")
    fake.snapshot.metrics.pop(3, None)
    fake.snapshot.health.pop(3, None)
    state._show()
    state.patches = {}
    fake.clock.tick(3600)
    state._show()
    assert {key: [value for _, value in patch["points"]] for key, patch in state.patches.items()} == {
        row.key: [None] for row in state.charts
    }


async def test_check_now_is_answered_in_place(fake):
    state, _ = await _page("/sources/3")
    fake.snapshot.health[3] = FakeReading(replace(fake.snapshot.health[3].value, status=HealthStatus.HEALTHY, latency_ms=3.0), 0.0)
    await run(state, "check_now")
    assert (state.check_result.startswith("Healthy"), state.check_tone, state.is_checking) == (True, "ok", False)
    fake.backend.failure = BackendFailed("The server took too long.", cause="timeout")
    await run(state, "check_now")
    assert (state.check_tone, state.is_checking) == ("bad", False)


async def test_a_second_check_while_one_is_under_way_does_nothing(fake):
    state, _ = await _page("/sources/3")
    state.is_checking = True
    await run(state, "check_now")
    assert fake.backend.calls == []


async def test_a_viewer_is_told_why_actions_are_off(fake, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))
    state, _ = await _page("/sources/3")
    assert "operator" in state.refused_check
    assert "admin" in state.refused_write


async def test_without_a_session_nothing_is_shown_or_read(fake, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(None))
    state, behind = await _page("/sources/3")
    assert (behind, state.verdict.title) == (None, "")
    await run(state, "read_charts")
    await run(state, "check_now")
    assert (state.charts, state.check_tone, fake.backend.calls) == ([], "bad", [])


async def test_a_deleted_source_turns_into_its_absence(fake):
    state, _ = await _page("/sources/3")
    root = state._get_root_state()
    del fake.snapshot.sources[3]
    await render(root, {})
    assert state.missing.startswith("There is no source 3")
