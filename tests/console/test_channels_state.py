"""What the handlers of the channels do, with a fake console: the address goes through and is kept nowhere."""

from dataclasses import replace

import pytest

from dashboard_app.console import context
from dashboard_app.console.pages.alerts_state import AlertsState
from dashboard_app.console.pages.channels_state import Channels
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, Conflict, InvalidInput
from tests.backend.notify.parts import CANARY
from tests.console.fake_console import ANA, VIC, FakeConsole, FakeIdentity
from tests.console.state_pages import opened_at, run
from tests.console.test_rows_channels import FAILED, OPS

FORM = {"name": "Ops", "url": f"slack://a/b/{CANARY}", "alerts": "on", "least_severity": "warning"}


@pytest.fixture
def fake(monkeypatch):
    console = FakeConsole(clock=ManualClock())
    console.backend.notifications.found = (OPS, replace(FAILED, id=2, name="Pager"))
    monkeypatch.setattr(context._bound, "console", console)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    return console


async def _page():
    page = await opened_at("/alerts?tab=channels").get_state(AlertsState)
    await run(page, "load")
    return await page.get_state(Channels)


async def _toasts(page):
    return [(toast.text, toast.tone) for toast in (await page.get_state(ShellState)).toasts]


def _calls(fake):
    return [call for call in fake.backend.calls if call[0] != "channels"]


async def test_the_tab_lists_the_channels_and_reads_them_again(fake):
    page = await _page()
    assert [(row.name, row.word) for row in page.channels] == [("Ops", "Ready"), ("Pager", "Failing")]
    fake.backend.notifications.found = (OPS,)
    await run(page, "read")
    assert [row.name for row in page.channels] == ["Ops"]
    fake.backend.failure = BackendFailed("The server does not answer.")
    await run(page, "read")
    assert (page.failure, [row.name for row in page.channels]) == ("The channels could not be read: The server does not answer.", ["Ops"])


async def test_a_server_without_channels_is_said(fake):
    fake.backend.notifications.found = None
    page = await _page()
    assert (page.is_offered, page.channels) == (False, [])


async def test_a_channel_is_saved_and_its_address_is_in_no_state(fake):
    page = await _page()
    await run(page, "add")
    await run(page, "submit", FORM)
    assert (page.is_open, page.is_saving, await _toasts(page)) == (False, False, [("Ops saved.", "ok")])
    ((name, (channel_id, body)),) = _calls(fake)
    assert (name, channel_id, body["url"]) == ("save channel", 0, FORM["url"])
    assert CANARY not in str(page._get_root_state().dict()) + str(page._known)


async def test_what_is_wrong_stands_at_its_field_and_the_form_stays(fake):
    page = await _page()
    await run(page, "edit", 2)
    assert (page.title, page.fields.name, page.is_open) == ("Edit Pager", "Pager", True)
    fake.backend.failure = InvalidInput("url: x", ({"field": "url", "message": "cannot be used: it is local"},))
    await run(page, "submit", FORM)
    assert (page.errors.url, page.is_open) == ("Cannot be used: it is local", True)
    fake.backend.failure = Conflict("There is another channel named Ops")
    await run(page, "submit", FORM)
    assert page.errors.name == "There is another channel named Ops"
    fake.backend.failure = BackendFailed("The server does not answer.")
    await run(page, "submit", FORM)
    assert page.note == "Could not save: The server does not answer."
    await run(page, "show", False)
    assert not page.is_open
    await run(page, "edit", 99)
    assert not page.is_open


async def test_a_test_says_under_its_channel_how_it_went(fake):
    page = await _page()
    await run(page, "test", 1)
    assert (page.tested, page.is_trial_good, page.testing) == (1, True, 0)
    assert page.trial.startswith("Sent. It took")
    fake.backend.failure = BackendFailed("The server does not answer.")
    await run(page, "test", 2)
    assert (page.tested, page.is_trial_good, page.trial) == (2, False, "Not sent: The server does not answer.")
    page.testing = 1
    await run(page, "test", 2)
    assert [name for name, _ in _calls(fake)] == ["test channel", "test channel"]


async def test_switching_and_deleting(fake):
    page = await _page()
    await run(page, "switch", 1, False)
    await run(page, "ask_delete", 99)
    assert not page.is_deleting
    await run(page, "delete")
    await run(page, "ask_delete", 2)
    assert (page.is_deleting, page.delete_name) == (True, "Pager")
    fake.backend.failure = BackendFailed("The server does not answer.")
    await run(page, "delete")
    assert page.delete_note == "Could not delete: The server does not answer."
    fake.backend.failure = None
    await run(page, "delete")
    assert await _toasts(page) == [("Switched off.", "ok"), ("Pager deleted.", "ok")]
    await run(page, "show_delete", False)
    assert [name for name, _ in _calls(fake)] == ["save channel", "delete channel", "delete channel"]


async def test_a_viewer_sees_none_and_without_a_session_nothing_is_done(fake, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))
    page = await _page()
    assert (page.is_refused, page.channels) == (True, [])
    await run(page, "submit", FORM)
    assert "admin role" in page.note
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(None))
    await run(page, "switch", 1, True)
    await run(page, "read")
    assert await _toasts(page) == [("Your session has ended: sign in again.", "warn")]
    assert fake.backend.calls == []
