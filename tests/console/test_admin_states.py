"""What the handlers of `/audit`, `/settings` and `/drill` do, with a fake console."""

import pytest

from dashboard_app.access.audit_chain import ChainReport
from dashboard_app.console import context
from dashboard_app.console.pages.audit import AuditState
from dashboard_app.console.pages.drill_state import DrillState, render
from dashboard_app.console.pages.settings_state import SettingsState
from dashboard_app.console.words import NB
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.settings import Settings
from dashboard_app.store.audit import Head
from tests.console.fake_console import ANA, VIC, FakeIdentity, FakeReading, status_json
from tests.console.fake_details import FakeAudit, detailed
from tests.console.state_pages import opened_at, run

HOLD = {"drill": "hold", "connections": "28", "seconds": "30", "kind": "leak"}


@pytest.fixture
def fake(monkeypatch):
    console = detailed(clock=ManualClock())
    monkeypatch.setattr(context._bound, "console", console)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    monkeypatch.setattr(context._bound, "audit", FakeAudit(console))
    return console


@pytest.fixture
def as_viewer(fake, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))


async def _page(kind, path):
    state = await opened_at(path).get_state(kind)
    await run(state, "load")
    return state


async def test_the_log_shows_a_page_with_links_to_older_rows_and_to_the_file(fake):
    state = await _page(AuditState, "/audit?actor=console")
    assert (len(state.entries), {line.actor for line in state.entries}, state.is_loading) == (44, {"console"}, False)
    assert (state.older, state.export, state.nothing) == ("", "/api/v1/audit.csv?actor=console", "")
    state = await _page(AuditState, "/audit")
    assert (len(state.entries), state.older, state.newest) == (50, "/audit?before=951", "")


async def test_an_empty_page_and_a_log_that_cannot_be_read_say_so(fake):
    assert (await _page(AuditState, "/audit?actor=nobody")).nothing == "Nothing recorded in this range."
    context.audit().failure = DatabaseUnavailable("The database does not answer.", 1)
    state = await _page(AuditState, "/audit")
    assert (state.entries, state.nothing) == ([], "")
    assert state.failure == "The audit log could not be read: The database does not answer."


async def test_the_chain_is_walked_when_asked_for_and_says_what_it_found(fake):
    state = await _page(AuditState, "/audit")
    assert state.chain.text == ""
    await run(state, "verify")
    assert (state.chain.tone, state.chain.text) == ("ok", "The newest 130 rows are as written; none is missing.")
    assert state.chain.head == f"130:{'ab' * 32}"
    context.audit().chain.report = ChainReport(4, Head(4, b"x"), "Row 5 is not as it was written, or the one before it is gone.", 5)
    await run(state, "verify")
    assert (state.chain.tone, state.chain.head, "Row 5" in state.chain.text) == ("bad", "", True)
    context.audit().chain.failure = DatabaseUnavailable("The database does not answer.", 1)
    await run(state, "verify")
    assert (state.chain.tone, state.is_verifying) == ("warn", False)


@pytest.mark.usefixtures("as_viewer")
async def test_a_viewer_walks_no_chain(fake):
    state = await _page(AuditState, "/audit")
    await run(state, "verify")
    assert (state.chain.tone, "admin role" in state.chain.text) == ("warn", True)


async def test_filters_go_into_the_url(fake):
    state = await _page(AuditState, "/audit?range=24h&before=900")
    event = await run(state, "filter_by", {"actor": " ana ", "action": ""})
    assert "/audit?actor=ana&range=24h" in str(event)


@pytest.mark.usefixtures("as_viewer")
async def test_a_viewer_gets_no_row_no_setting_and_no_drill(fake):
    log, settings, drill = [await _page(*one) for one in ((AuditState, "/audit"), (SettingsState, "/settings"), (DrillState, "/drill"))]
    assert (log.is_refused, log.entries) == (True, [])
    assert (settings.is_refused, settings.groups) == (True, [])
    assert drill.is_refused
    await run(drill, "start", dict(HOLD))
    await run(drill, "stop", "hold")
    assert ("admin role" in drill.failure, drill.failed_kind, drill.diary, fake.backend.calls) == (True, "hold", [], [])


async def test_what_an_admin_saw_is_gone_once_the_role_is(fake, monkeypatch):
    log, settings = await _page(AuditState, "/audit"), await _page(SettingsState, "/settings")
    assert log.entries
    assert settings.groups
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))
    await run(log, "load")
    await run(settings, "load")
    assert (log.entries, settings.groups) == ([], [])


async def test_settings_show_where_each_value_came_from(fake):
    state = await _page(SettingsState, "/settings")
    origins = {row.name: row.origin for group in state.groups for row in group.rows}
    assert origins["SPILLWAY_PORT"] == "set in the environment"
    assert state.title.startswith("2 of")


@pytest.mark.parametrize("kind", [AuditState, SettingsState, DrillState])
async def test_without_a_session_nothing_is_shown(fake, monkeypatch, kind):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(None))
    state = await _page(kind, "/x")
    assert state.is_refused is False
    assert not getattr(state, "entries", None)
    assert not getattr(state, "groups", None)


async def test_drills_exist_only_in_the_demo(fake):
    fake.settings = Settings(demo=False)
    assert not (await _page(DrillState, "/drill")).is_demo


def _texts(state) -> list[str]:
    return [line.text.replace(NB, " ") for line in state.diary]


async def test_a_hold_counts_down_and_its_diary_is_judged(fake):
    state = await _page(DrillState, "/drill")
    fake.snapshot.pool = FakeReading(status_json(2, level="NORMAL"), 0.0)
    await run(state, "start", dict(HOLD))
    assert (state.hold_left_s, state.fail_left_s, state.running) == (30.0, None, "")
    fake.clock.tick(0.4)
    fake.snapshot.pool = FakeReading(status_json(28, level="EMERGENCY"), 0.0)
    await render(state._get_root_state(), {})
    assert _texts(state) == [
        "hold started: 28 connections for 30 s (leak)", "28 connections are held", "28 of 30 connections in use", "level NORMAL → EMERGENCY",
    ]  # fmt: skip
    assert [line.verdict for line in state.diary] == ["", "", "ok", "ok"]


async def test_a_hold_that_is_stopped_gives_everything_back(fake):
    state = await _page(DrillState, "/drill")
    await run(state, "start", dict(HOLD))
    await run(state, "stop", "hold")
    assert fake.backend.calls[-1] == ("drill", ("hold", {"connections": 0}))
    assert (state.hold_left_s, state.stopping) == (None, "")
    assert _texts(state)[-1] == "stopped: every held connection is given back"


async def test_a_server_that_fails_no_more_is_tried_at_once_though_it_had_named_a_later_time(fake):
    state = await _page(DrillState, "/drill")
    await run(state, "start", {"drill": "fail", "seconds": "60"})
    fake.fail()
    assert fake.breakers["api"].reading().retry_in_s > 0
    await run(state, "stop", "fail")
    assert fake.breakers["api"].reading().retry_in_s == 0


async def test_a_drill_whose_time_is_over_ends_by_itself(fake):
    state = await _page(DrillState, "/drill")
    await run(state, "start", {"drill": "fail", "seconds": "60"})
    assert state.fail_left_s == 60.0
    fake.clock.tick(59.0)
    await run(state, "watch")
    assert state.fail_left_s == 60.0
    fake.clock.tick(1.0)
    await run(state, "watch")
    assert (state.fail_left_s, _texts(state)[-1]) == (None, "fail is over: its time has passed")


async def test_a_reload_keeps_the_countdown_and_the_diary(fake):
    state = await _page(DrillState, "/drill")
    await run(state, "start", dict(HOLD))
    lines = len(state.diary)
    fake.clock.tick(10.0)
    await run(state, "load")
    assert (state.hold_left_s, len(state.diary)) == (20.0, lines)


async def test_a_bad_number_or_a_kind_that_ends_by_itself_is_said_at_its_card(fake):
    state = await _page(DrillState, "/drill")
    await run(state, "start", HOLD | {"connections": "many"})
    assert (state.failed_kind, state.hold_left_s, state.diary) == ("hold", None, [])
    await run(state, "stop", "burst")
    assert (state.failed_kind, state.failure) == ("burst", "This drill ends by itself.")
    assert fake.backend.calls == []


async def test_a_drill_that_could_not_be_started_does_not_count_down(fake, monkeypatch):
    async def drill(**_: object) -> dict[str, object]:
        raise DatabaseUnavailable("The pool is full.", 1)

    monkeypatch.setattr(fake.backend, "drill", drill)
    state = await _page(DrillState, "/drill")
    await run(state, "start", dict(HOLD))
    assert (state.hold_left_s, state.running, state.failure) == (None, "", "The pool is full.")
