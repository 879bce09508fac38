"""The list's state: what is sent, and when."""

from dataclasses import replace

import pytest
import reflex as rx
from reflex.istate.data import RouterData

from dashboard_app.console import context
from dashboard_app.console.glance import glance
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.pages.sources_state import SourcesState, look, render
from dashboard_app.model.health import HealthStatus
from tests.console.fake_console import ANA, VIC, FakeConsole, FakeIdentity, FakeReading


@pytest.fixture
def fake(monkeypatch):
    made = FakeConsole()
    monkeypatch.setattr(context._bound, "console", made)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    return made


@pytest.fixture
def root():
    return rx.State(_reflex_internal_init=True)


def at(root, url):
    root.router = RouterData.from_router_data(
        {"pathname": "/", "asPath": url, "headers": {"origin": "http://localhost", "cookie": "session=x"}, "token": "client-1"}
    )


async def opened(root, url="/"):
    at(root, url)
    page = await root.get_state(SourcesState)
    await SourcesState.event_handlers["load"].fn(page)
    root._clean()
    return page


def sent(root, state):
    return {name.removesuffix("_rx_state_") for name in root.get_delta().get(state.get_full_name(), {})}


async def test_a_page_shows_last_known_values_at_once(fake, root):
    page = await opened(root)
    assert (page.verdict, len(page.rows), page.is_loading) == ("2 of 24 sources are down", 24, False)
    assert [row.status for row in page.rows[:3]] == ["unhealthy", "unhealthy", "degraded"]


async def test_a_quiet_moment_sends_nothing(fake, root):
    await opened(root)
    fake.snapshot.touch()
    await render(root, {})
    assert root.get_delta() == {}


async def test_one_changed_source_sends_its_row_alone_and_keeps_the_order(fake, root):
    page = await opened(root)
    before = [row.id for row in page.rows]
    change(fake, 7, HealthStatus.UNHEALTHY)
    await render(root, {})
    names = sent(root, SourcesState)
    assert {"patch"} <= names
    assert "rows" not in names
    assert [row.id for row in page.patch.rows] == [7]
    assert ([row.id for row in page.rows], page.changed_words) == (before, "1 row changed state since:")


async def test_sorting_again_sends_every_row_in_the_new_order(fake, root):
    page = await opened(root)
    change(fake, 7, HealthStatus.UNHEALTHY)
    await SourcesState.event_handlers["again"].fn(page)
    assert [row.id for row in page.rows][:3] == [1, 2, 7]
    assert (page.patch.rows, page.changed_words) == ([], "")


async def test_patches_are_numbered_so_that_a_lost_one_is_noticed(fake, root):
    page = await opened(root)
    first = page.patch.seq
    for status in (HealthStatus.UNHEALTHY, HealthStatus.HEALTHY):
        change(fake, 7, status)
        await render(root, {})
    assert page.patch.seq == first + 2


async def test_filters_come_from_the_address(fake, root):
    page = await opened(root, "/?q=orders&status=degraded")
    assert [row.name for row in page.rows] == ["orders-pooler", "orders-replica-2"]
    assert page.search == "orders"


async def test_nothing_found_says_what_was_looked_for(fake, root):
    assert (await opened(root, "/?q=zzz")).empty_words == "No source matches 'zzz'."


async def test_old_data_is_shown_in_the_past_tense_under_a_banner(fake, root):
    page = await opened(root)
    fake.fail()
    await render(root, {})
    shell = await root.get_state(ShellState)
    assert shell.is_fallback
    assert "were down at" in page.verdict
    assert (shell.breaker.state, shell.level.label, shell.round_text) == ("open", "Level, assumed", "Paused")


async def test_recovery_is_announced(fake, root):
    await opened(root)
    fake.fail()
    await render(root, {})
    fake.down = None
    fake.snapshot.touch()
    await render(root, {})
    shell = await root.get_state(ShellState)
    assert (shell.is_fallback, shell.announcement.startswith("Live again")) == (False, True)


async def test_an_ended_session_leads_to_the_sign_in_page_and_shows_nothing(fake, root, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(None))
    page = await opened(root)
    assert ((await root.get_state(ShellState)).is_signed_out, page.rows, fake.viewers.watched) == (True, [], {})


async def test_a_viewer_cannot_start_a_round(fake, root, monkeypatch):
    page = await opened(root)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))
    await SourcesState.event_handlers["refresh"].fn(page)
    shell = await root.get_state(ShellState)
    assert (fake.loader.refreshed, [toast.text for toast in shell.toasts]) == (0, ["This needs the operator role; you are a viewer."])


async def test_an_empty_console_offers_the_first_steps(fake, root):
    fake.snapshot.sources = {}
    fake.snapshot.touch()
    page = await opened(root)
    assert (page.is_first_run, page.verdict) == (True, "No sources yet")


def change(fake, source_id, status):
    reading = fake.snapshot.health[source_id]
    fake.snapshot.health[source_id] = FakeReading(replace(reading.value, status=status), reading.received_mono)
    fake.snapshot.touch()


async def test_an_open_list_looks_the_same_until_something_on_it_changes(fake):
    before = look()
    assert glance(fake, fresh=True).frame == before[0]
    assert look() == before
    fake.loader.in_flight = (9, 9)
    glance(fake, fresh=True)
    assert look() != before
    before = look()
    fake.snapshot.touch()
    assert look() != before


async def test_pages_that_are_brought_up_to_date_together_show_the_same_rows(fake, root):
    other_root = rx.State(_reflex_internal_init=True)
    page, other = await opened(root), await opened(other_root)
    fake.snapshot.recent = dict.fromkeys(fake.snapshot.sources, "UUU")
    fake.snapshot.touch()
    await render(root, {})
    await render(other_root, {})
    assert page.patch.rows
    assert [id(row) for row in page._shown] == [id(row) for row in other._shown]
    assert page.patch == other.patch
