"""What the handlers of `/settings` do: changes gather, are judged while typed, reviewed, saved all or none, and undone."""

import pytest

from dashboard_app.console import context
from dashboard_app.console.pages import settings_state
from dashboard_app.console.pages.settings_state import SettingsState
from dashboard_app.console.words import NB
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.settings import Settings
from tests.console.fake_console import ANA, VIC, FakeConsole, FakeIdentity
from tests.console.state_pages import opened_at, run


@pytest.fixture
def fake(monkeypatch):
    console = FakeConsole(ManualClock(), Settings())
    monkeypatch.setattr(context._bound, "console", console)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    return console


async def opened() -> SettingsState:
    state = await opened_at("/settings").get_state(SettingsState)
    await run(state, "load")
    return state


def row(state, field):
    return next(one for group in state.groups for one in group.rows if one.field == field)


async def test_what_can_change_has_a_control_and_the_rest_needs_a_restart(fake):
    state = await opened()
    assert [row(state, name).control for name in ("health_batch_size", "auto_cleanup", "pace", "port")] == ["number", "flag", "choice", ""]
    assert row(state, "pace").choices == ("batched", "adaptive")
    assert row(state, "secret_key").text == ""


async def test_changes_gather_and_the_kept_value_typed_again_is_none(fake):
    state = await opened()
    await run(state, "edit", "health_batch_size", "6")
    await run(state, "edit", "auto_cleanup", "off")
    assert (state.drafted, state.drafted_settings) == ("2 changes", "2 settings")
    await run(state, "edit", "auto_cleanup", "on")
    assert state.drafts == {"health_batch_size": "6"}
    await run(state, "discard")
    assert (state.drafts, state.turn) == ({}, 1)


async def test_a_page_that_loads_again_keeps_what_is_being_changed_and_judges_it_anew(fake):
    state = await opened()
    await run(state, "edit", "health_batch_size", "6")
    turn, state.errors, state.is_reviewing = state.turn, {"health_batch_size": "too high before"}, True
    await run(state, "load")
    assert (state.drafts, state.turn, state.errors, state.is_reviewing) == ({"health_batch_size": "6"}, turn, {}, False)


async def test_who_may_change_nothing_any_more_has_no_changes_when_the_page_loads_again(fake, monkeypatch):
    state = await opened()
    await run(state, "edit", "health_batch_size", "6")
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))
    await run(state, "load")
    assert (state.drafts, state.is_refused) == ({}, True)


async def test_a_value_out_of_its_range_is_said_at_its_field_and_cannot_be_reviewed(fake):
    state = await opened()
    await run(state, "edit", "breaker_recovery_s", "0.001")
    assert state.errors == {"breaker_recovery_s": f"0.001 is below 0.01{NB}s"}
    await run(state, "review")
    assert not state.is_reviewing
    for field, text, said in (
        ("health_retries", "11", "11 is above 10"),
        ("queue_max", "", "Nothing typed: must be a valid integer, unable to parse string as an integer"),
    ):
        await run(state, "edit", field, text)
        assert state.errors[field] == said
    await run(state, "edit", "port", "9000")
    assert "port" not in state.drafts


async def test_the_review_says_old_and_new_and_what_a_round_will_take(fake):
    state = await opened()
    await run(state, "edit", "health_batch_size", "6")
    await run(state, "review")
    assert state.is_reviewing
    (change,) = state.changes
    assert (change.name, change.old, change.new) == ("HEALTH_BATCH_SIZE", "3", "6")
    # 24 sources: 7 x 1.4 s + 0.4 s by threes, 3 x 2.0 s + 1.0 s by sixes
    assert change.effect == f"a round of 24 takes at least 7{NB}s instead of 10.2{NB}s"


async def test_a_save_is_in_force_is_told_and_can_be_undone(fake):
    state = await opened()
    await run(state, "edit", "health_batch_size", "6")
    await run(state, "edit", "pace", "adaptive")
    await run(state, "review")
    await run(state, "save")
    assert (fake.settings.health_batch_size, fake.settings.pace) == (6, "adaptive")
    assert (state.saved, state.may_undo, state.drafts, state.is_reviewing) == ("2 settings saved.", True, {}, False)
    assert row(state, "pace").origin.startswith("changed here by Ana Ruiz")
    await run(state, "undo")
    assert (fake.settings.health_batch_size, fake.settings.pace, fake.live.overrides) == (3, "batched", {})
    assert (state.saved, state.may_undo, len(fake.book.records)) == ("2 settings put back.", False, 2)


async def test_a_reset_goes_back_to_the_start_and_can_be_undone(fake):
    await fake.tuning.change(ANA, {"pace": "adaptive"})
    state = await opened()
    await run(state, "reset_one", "pace")
    assert fake.settings.pace == "batched"
    await run(state, "undo")
    assert fake.settings.pace == "adaptive"


async def test_somebody_elses_change_is_a_conflict_and_the_second_look_saves(fake):
    state = await opened()
    await run(state, "edit", "queue_max", "5")
    await fake.tuning.change(ANA, {"pace": "adaptive"})
    await run(state, "review")
    await run(state, "save")
    assert state.failure.endswith("Review again.")
    assert fake.settings.queue_max == 1000
    await run(state, "save")
    assert fake.settings.queue_max == 5


async def test_a_failed_save_says_so_and_keeps_what_was_typed(fake):
    state = await opened()
    await run(state, "edit", "queue_max", "5")
    fake.book.failure = DatabaseUnavailable("The database does not answer.", 1)
    await run(state, "save")
    assert (state.failure, state.drafts, state.is_saving) == ("The database does not answer.", {"queue_max": "5"}, False)


async def test_an_open_page_follows_a_change_of_somebody_else_unless_it_is_being_edited(fake):
    state = await opened()
    await fake.tuning.change(ANA, {"pace": "adaptive"})
    await settings_state.render(state._get_root_state(), {})
    assert row(state, "pace").text == "adaptive"
    await run(state, "edit", "queue_max", "5")
    await fake.tuning.change(ANA, {"pace": "batched"})
    await settings_state.render(state._get_root_state(), {})
    assert row(state, "pace").text == "adaptive"
