"""What the panel of a watched service does on `/sources/[id]`, with a fake console."""

from dataclasses import replace

import pytest

from dashboard_app.console import context
from dashboard_app.console.pages.service_state import ServiceState
from dashboard_app.console.pages.source_state import SourceState
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed
from dashboard_app.model.source import SourceKind
from tests.console.fake_console import ANA, VIC, FakeIdentity
from tests.console.fake_details import detailed
from tests.console.state_pages import opened_at, run

SERVICE, OTHER, DATABASE = 3, 5, 4


@pytest.fixture
def fake(monkeypatch):
    console = detailed(clock=ManualClock())
    for number in (SERVICE, OTHER):
        console.snapshot.sources[number] = replace(console.snapshot.sources[number], kind=SourceKind.SERVICE, enabled=True)
    monkeypatch.setattr(context._bound, "console", console)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    return console


@pytest.fixture
async def panel():
    return await opened_at(f"/sources/{SERVICE}").get_state(ServiceState)


def asked(console) -> list[str]:
    return [name for name, _ in console.backend.calls if name.startswith("service")]


async def test_the_page_of_a_service_reads_its_guard_and_that_of_a_database_does_not(fake):
    root = opened_at(f"/sources/{SERVICE}")
    page = await root.get_state(SourceState)
    behind = await run(page, "load")
    assert page.is_service
    assert len(behind) == 2
    page = await opened_at(f"/sources/{DATABASE}").get_state(SourceState)
    await run(page, "load")
    assert not page.is_service


async def test_a_reading_shows_verdict_bar_figures_and_who_holds(fake, panel):
    await run(panel, "read", SERVICE)
    assert (panel.source_number, panel.has_status, panel.hero.figure, panel.hero.bar) == (SERVICE, True, "90.0", "bad")
    assert panel.verdict.title == "The pool is 90.0\u00a0% in use and filling"
    assert "nightly-import" in panel.verdict.lede
    assert panel.figures[0].value == "27"
    assert (len(panel.holder_rows), panel.holders_note, len(panel.call_sites)) == (4, "", 2)
    assert panel.refused_cleanup == ""


async def test_a_viewer_sees_the_pool_and_is_told_what_the_rest_needs(fake, panel, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))
    await run(panel, "read", SERVICE)
    assert asked(fake) == ["service status"]
    assert (panel.hero.figure, panel.holder_rows, panel.holders_note) == ("90.0", [], "Holders need the operator role.")
    assert "admin role" in panel.refused_cleanup
    await run(panel, "look")
    assert asked(fake) == ["service status"]
    assert "needs the admin role" in panel.page_failure


async def test_only_services_are_asked(fake, panel):
    for number in (DATABASE, 999):
        await run(panel, "read", number)
    assert (asked(fake), panel.source_number) == ([], 0)


async def test_a_guard_that_cannot_be_read_says_why_and_the_last_picture_is_told_as_past(fake, panel):
    fake.backend.guard_failure = BackendFailed("Connection refused: nothing listens at 127.0.0.1:1")
    await run(panel, "read", SERVICE)
    assert (panel.has_status, panel.verdict.title) == (False, "The guard does not answer")
    assert panel.note.startswith("Connection refused")
    fake.backend.guard_failure = None
    await run(panel, "read", SERVICE)
    assert (panel.note, panel.hero.bar) == ("", "bad")
    fake.backend.guard_failure = BackendFailed("No answer within 1.5 s at step status")
    fake.clock.tick(9)
    await run(panel, "read", SERVICE)
    assert panel.verdict.title == "The pool was 90.0\u00a0% in use"
    assert (panel.hero.bar, panel.holder_rows) == ("n", [])
    assert panel.holders_note.startswith("Not known")
    assert panel.note == "No answer within 1.5 s at step status"


async def test_a_cleanup_is_dry_first_and_then_done_on_the_service_and_shown(fake, panel):
    await run(panel, "read", SERVICE)
    await run(panel, "look")
    assert (panel.is_dialog_open, panel.plan.wins) == (True, 3)
    await run(panel, "confirm")
    assert [name for name in asked(fake) if "clean" in name or "dry" in name] == [
        f"service dry run {SERVICE}",
        f"service cleanup {SERVICE}",
    ]
    assert (panel.is_dialog_open, panel.has_result) == (False, True)
    assert "3 of 3" in panel.result.sentence
    assert panel.hero.figure == "80.0"


async def test_a_changed_verdict_of_the_guard_is_checked_at_once_for_all_pages(fake, panel):
    await run(panel, "read", SERVICE)
    await run(panel, "read", SERVICE)
    assert ("health", SERVICE) not in fake.backend.calls
    fake.backend.leaks = 0
    await run(panel, "read", SERVICE)
    await run(panel, "read", SERVICE)
    assert fake.backend.calls.count(("health", SERVICE)) == 1
    fake.backend.guard_failure = BackendFailed("Connection refused")
    await run(panel, "read", SERVICE)
    await run(panel, "read", SERVICE)
    assert fake.backend.calls.count(("health", SERVICE)) == 2


async def test_a_failed_cleanup_stays_in_its_dialog(fake, panel):
    await run(panel, "read", SERVICE)
    await run(panel, "look")
    fake.backend.guard_failure = BackendFailed("The service refuses this token (HTTP 401)")
    await run(panel, "confirm")
    assert (panel.is_dialog_open, panel.has_result, panel.busy) == (True, False, "")
    assert panel.failure.startswith("The service refuses this token")


async def test_nothing_of_one_service_is_shown_or_done_on_the_page_of_another(fake, panel, monkeypatch):
    await run(panel, "read", SERVICE)
    await run(panel, "look")
    await run(panel, "read", OTHER)
    assert (panel.source_number, panel.is_dialog_open, panel.has_result) == (OTHER, False, False)
    await run(panel, "confirm")
    assert f"service cleanup {OTHER}" not in asked(fake)
    await run(panel, "look")
    cleanup = fake.backend.guard.service_cleanup

    async def while_the_page_changes(principal, source_id, *, dry_run):
        done = await cleanup(principal, source_id, dry_run=dry_run)
        await run(panel, "read", SERVICE)
        return done

    monkeypatch.setattr(fake.backend.guard, "service_cleanup", while_the_page_changes)
    await run(panel, "confirm")
    assert asked(fake).count(f"service cleanup {OTHER}") == 1
    assert (panel.source_number, panel.has_result, panel.busy) == (SERVICE, False, "")


async def test_what_comes_late_for_another_page_is_dropped(fake, panel, monkeypatch):
    status = fake.backend.guard.service_status

    async def while_the_page_changes(principal, source_id):
        found = await status(principal, source_id)
        monkeypatch.setattr(fake.backend.guard, "service_status", status)
        await run(panel, "read", OTHER)
        return found | {"usage_percent": 12.3}

    monkeypatch.setattr(fake.backend.guard, "service_status", while_the_page_changes)
    await run(panel, "read", SERVICE)
    assert (panel.source_number, panel.hero.figure) == (OTHER, "90.0")


async def test_without_a_session_nothing_is_asked(fake, panel, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(None))
    await run(panel, "read", SERVICE)
    assert (asked(fake), panel.source_number) == ([], 0)
