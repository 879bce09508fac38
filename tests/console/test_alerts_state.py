"""What the handlers of `/alerts` do, with a fake console."""

from dataclasses import replace
from datetime import timedelta

import pytest

from dashboard_app.console import context
from dashboard_app.console.client.alerts import ListedAlert, RuleBook
from dashboard_app.console.pages.alert_rules_state import AlertRules
from dashboard_app.console.pages.alerts_state import AlertsState, render
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.model.alert import AlertRule
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, Conflict, InvalidInput
from tests.console.fake_console import ANA, VIC, FakeConsole, FakeIdentity, FakeReading
from tests.console.state_pages import opened_at, run
from tests.console.test_rows_alerts import DOWN, FULL, HIGH, INFO, USAGE

FORM = {
    "name": "90",
    "metric": "pool.usage_percent",
    "operator": ">=",
    "limit": "90",
    "recovers_at": "85",
    "for_s": "0",
    "severity": "critical",
}


@pytest.fixture
def fake(monkeypatch):
    console = FakeConsole(clock=ManualClock())
    now = console.clock.now()
    listed = (
        ListedAlert(replace(DOWN, opened_at=now)),
        ListedAlert(replace(FULL, opened_at=now)),
        ListedAlert(replace(HIGH, opened_at=now), 3),
    )
    console.snapshot.alerts = FakeReading(listed, console.clock.monotonic())
    rule = AlertRule(4, USAGE, is_builtin=False, created_at=now, updated_at=now)
    console.backend.alerts.book = RuleBook((rule,), (INFO,))
    monkeypatch.setattr(context._bound, "console", console)
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(ANA))
    return console


async def _page(path="/alerts", kind=AlertsState):
    root = opened_at(path)
    page = await root.get_state(AlertsState)
    await run(page, "load")
    return page if kind is AlertsState else await page.get_state(kind)


async def _shell(page):
    return await page.get_state(ShellState)


async def test_the_page_shows_what_fires_at_once_and_the_frame_counts_it(fake):
    page = await _page()
    assert (page.title, [row.id for row in page.alerts], page.may_act) == ("2 alerts fire, 1 critical", [3, 9], True)
    assert ((await _shell(page)).nav.alerts, fake.alert_poll.looks) == ("2", 1)


async def test_an_acknowledgement_moves_the_line_and_undo_takes_it_back(fake):
    page = await _page()
    await run(page, "acknowledge", 3)
    await render(page._get_root_state(), {})
    assert [row.id for row in page.alerts] == [9]
    shell = await _shell(page)
    assert (shell.toasts[-1].text, shell.toasts[-1].alert_id) == ("Acknowledged: it is yours.", 3)
    await run(shell, "undo_alert", shell.toasts[-1].id)
    await render(page._get_root_state(), {})
    assert [row.id for row in page.alerts] == [3, 9]
    assert [name for name, _ in fake.backend.calls if name != "resolved"] == ["acknowledge", "unacknowledge"]


async def test_a_silence_asks_until_when_and_why_and_undo_ends_it(fake):
    page = await _page()
    await run(page, "ask_silence", 9)
    assert (page.is_silencing, page.silence_message) == (True, "orders is unhealthy")
    await run(page, "silence", {"until": "900", "reason": " deploy "})
    found = next(one.alert for one in fake.snapshot.alerts.value if one.alert.id == 9)
    assert (found.silenced_until - fake.clock.now(), found.silence_reason) == (timedelta(minutes=15), "deploy")
    shell = await _shell(page)
    await run(shell, "undo_alert", shell.toasts[-1].id)
    assert next(one.alert for one in fake.snapshot.alerts.value if one.alert.id == 9).silenced_until is None
    await run(page, "silence", {"until": "900"})
    await run(page, "unsilence", 9)
    await run(page, "unacknowledge", 9)
    assert [toast.text for toast in shell.toasts] == ["Silenced.", "Heard again.", "Nobody's again."]
    await run(page, "ask_silence", 77)
    await run(page, "show_silence", False)
    assert page.is_silencing is False


async def test_an_act_that_comes_too_late_is_said_and_the_page_looks_again(fake):
    page = await _page()
    fake.backend.failure = Conflict("This alert is over.")
    await run(page, "acknowledge", 3)
    toast = (await _shell(page)).toasts[-1]
    assert (toast.text, toast.tone, toast.alert_id, fake.alert_poll.looks) == ("This alert is over.", "warn", 0, 2)


async def test_an_undo_that_fails_is_said(fake):
    page = await _page()
    await run(page, "acknowledge", 3)
    shell = await _shell(page)
    fake.backend.failure = Conflict("This alert is over.")
    await run(shell, "undo_alert", shell.toasts[-1].id)
    await run(shell, "undo_alert", 99)
    assert [toast.text for toast in shell.toasts] == ["This alert is over."]


async def test_a_viewer_sees_the_lines_and_may_not_act_nor_see_rules(fake, monkeypatch):
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(VIC))
    page = await _page("/alerts?tab=rules")
    rules = await page.get_state(AlertRules)
    assert (page.may_act, rules.is_refused, rules.rules) == (False, True, [])
    await run(page, "acknowledge", 3)
    await run(rules, "switch", 4, False)
    await run(rules, "submit", FORM)
    shell = await _shell(page)
    assert [toast.tone for toast in shell.toasts] == ["warn", "warn"]
    assert "admin role" in rules.note
    assert fake.backend.calls == []


async def test_without_a_session_nothing_is_done(fake, monkeypatch):
    page = await _page()
    monkeypatch.setattr(context._bound, "identity", FakeIdentity(None))
    await run(page, "acknowledge", 3)
    assert (await _shell(page)).is_signed_out
    assert (await _page()).alerts == []


async def test_history_has_pages_and_a_failure_keeps_the_frame(fake):
    over = fake.clock.now()
    fake.backend.alerts.past = tuple(ListedAlert(replace(FULL, id=200 - n, opened_at=over, resolved_at=over)) for n in range(60))
    page = await _page("/alerts?tab=history&before=201")
    assert (len(page.alerts), page.older, page.newest) == (50, "/alerts?tab=history&before=151", "/alerts?tab=history")
    assert fake.backend.calls[-1] == ("resolved", (51, 201))
    fake.backend.failure = BackendFailed("The server does not answer.")
    page = await _page("/alerts?tab=history")
    assert (page.alerts, page.failure, page.nothing) == ([], "The history could not be read: The server does not answer.", "")


async def test_a_server_without_alerts_and_one_that_is_away_are_said(fake):
    fake.snapshot.alerts, fake.snapshot.are_alerts_offered = None, False
    page = await _page()
    assert (page.is_offered, page.alerts, (await _shell(page)).nav.alerts) == (False, [], "")
    fake.snapshot.are_alerts_offered = True
    fake.snapshot.alerts = FakeReading((), 0.0)
    fake.fail()
    page = await _page()
    assert (page.title, page.nothing) == ("Nothing fired at the last answer", "Nothing fires.")


async def test_a_rule_is_edited_after_a_preview_and_switched_and_deleted(fake):
    rules = await _page("/alerts?tab=rules", AlertRules)
    assert [row.name for row in rules.rules] == ["90"]
    follow_up = await run(rules, "edit", 4)
    assert (rules.is_open, rules.title, rules.fields.limit) == (True, "Edit 90", "90")
    assert "submit" in str(follow_up)
    await run(rules, "submit", FORM)
    assert (rules.preview, rules.is_open) == ("In the last hour it would have fired 3 times.", True)
    await run(rules, "intend", "save")
    await run(rules, "submit", FORM)
    assert (rules.is_open, rules.busy) == (False, "")
    await run(rules, "switch", 4, False)
    await run(rules, "ask_delete", 4)
    await run(rules, "delete")
    assert rules.is_deleting is False
    done = [call for call in fake.backend.calls if call[0] in ("save rule", "delete rule")]
    assert done[0][1][0] == 4
    assert done[1:] == [("save rule", (4, {"enabled": False})), ("delete rule", 4)]
    assert [toast.text for toast in (await _shell(rules)).toasts] == ["90 saved.", "Switched off: what it had open is over.", "90 deleted."]


@pytest.mark.parametrize(
    ("failure", "field", "note"),
    [
        (InvalidInput("x", ({"field": "limit", "message": "must be 0 to 100"},)), ("limit", "Must be 0 to 100"), ""),
        (Conflict("There is another rule named 90"), ("name", "There is another rule named 90"), ""),
        (BackendFailed("The server does not answer."), ("name", ""), "Could not save: The server does not answer."),
    ],
)
async def test_a_rule_that_is_refused_says_why_where_it_belongs(fake, failure, field, note):
    rules = await _page("/alerts?tab=rules", AlertRules)
    await run(rules, "add")
    fake.backend.failure = failure
    await run(rules, "submit", FORM)
    assert (getattr(rules.errors, field[0]), rules.note, rules.is_open, rules.busy) == (field[1], note, True, "")


async def test_a_number_that_is_none_is_not_sent(fake):
    rules = await _page("/alerts?tab=rules", AlertRules)
    await run(rules, "add")
    await run(rules, "submit", FORM | {"limit": "many"})
    assert (rules.errors.limit, [name for name, _ in fake.backend.calls]) == ("Must be a number", ["rules"])
    await run(rules, "show", False)
    assert rules.is_open is False


async def test_rules_that_cannot_be_read_or_deleted_are_said(fake):
    rules = await _page("/alerts?tab=rules", AlertRules)
    fake.backend.failure = BackendFailed("The server does not answer.")
    await run(rules, "ask_delete", 4)
    await run(rules, "delete")
    assert (rules.delete_note, rules.is_deleting) == ("Could not delete: The server does not answer.", True)
    await run(rules, "show_delete", False)
    await run(rules, "delete")
    rules = await _page("/alerts?tab=rules", AlertRules)
    assert rules.failure == "The rules could not be read: The server does not answer."


async def test_an_alert_that_opens_is_told_on_every_open_page_once_and_leads_to_its_page(fake):
    page = await _page()
    shell = await _shell(page)
    assert shell.toasts == []
    reading = fake.snapshot.alerts
    fresh = ListedAlert(replace(DOWN, id=12, message="billing is unhealthy"))
    fake.snapshot.alerts = FakeReading((*reading.value, fresh), reading.received_mono)
    for _ in range(2):
        await render(page._get_root_state(), {})
    assert [(toast.text, toast.tone, toast.href) for toast in shell.toasts] == [("billing is unhealthy", "warn", "/alerts")]
