"""The state of `/alerts`: display rows, and the acts of operators. The tab is in the URL."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.client.alerts import ListedAlert
from dashboard_app.console.context import console
from dashboard_app.console.pages.alert_rules_state import AlertRules
from dashboard_app.console.pages.channels_state import Channels
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import alerts as rows
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.user import Principal, Role

POLICY = {
    "alerts_state.load": "alerts.read",
    "alerts_state.acknowledge": "alerts.act",
    "alerts_state.unacknowledge": "alerts.act",
    "alerts_state.ask_silence": "alerts.act",
    "alerts_state.show_silence": "alerts.act",
    "alerts_state.silence": "alerts.act",
    "alerts_state.unsilence": "alerts.act",
}
"""Event handler → the action it needs."""
_REASON_LONGEST = 200


class AlertsState(rx.State):
    """What `/alerts` shows: at most 100 lines."""

    is_offered: bool = True
    may_act: bool = False
    tab: str = "firing"
    tabs: rx.Field[list[rows.Tab]] = rx.field(default_factory=list)
    title: str = ""
    lede: str = ""
    alerts: rx.Field[list[rows.AlertRow]] = rx.field(default_factory=list)
    nothing: str = ""
    failure: str = ""
    older: str = ""
    newest: str = ""

    is_silencing: bool = False
    silence_id: int = 0
    silence_message: str = ""
    silence_note: str = ""

    _query: rows.Query = rows.Query()
    _past: list[ListedAlert] = []  # noqa: RUF012 - Reflex copies a state's defaults

    @rx.event
    async def load(self) -> None:
        """Show the tab that the URL asks for."""
        query = rows.Query.parse(dict(self.router.url.query_parameters))
        principal = await enter(self, "alerts")
        if principal is None:
            return
        self._query = query
        assign(self, tab=query.tab, may_act=principal.role.covers(Role.OPERATOR), failure="")
        console().alert_poll.news()
        if query.tab == "rules":
            await (await self.get_state(AlertRules))._read(principal)  # noqa: SLF001 - one page, two states
        elif query.tab == "channels":
            await (await self.get_state(Channels))._read(principal)  # noqa: SLF001 - as above
        else:
            await self._read_past(principal)
        self._show()

    @rx.event(background=True)
    async def acknowledge(self, alert_id: int) -> None:
        """Say that this person is on it; the corner offers Undo."""
        await _act(
            self, alert_id, lambda who: console().backend.alerts.acknowledge(who, alert_id), "Acknowledged: it is yours.", "acknowledge"
        )

    @rx.event(background=True)
    async def unacknowledge(self, alert_id: int) -> None:
        """Say that nobody is on it."""
        await _act(self, alert_id, lambda who: console().backend.alerts.unacknowledge(who, alert_id), "Nobody's again.")

    @rx.event
    def ask_silence(self, alert_id: int) -> None:
        """Open the dialog that asks until when, and why."""
        found = next((row for row in self.alerts if row.id == alert_id), None)
        if found is not None:
            assign(self, silence_id=alert_id, silence_message=found.message, silence_note="", is_silencing=True)

    @rx.event
    def show_silence(self, is_open: bool) -> None:
        """Close the dialog (or keep it open)."""
        self.is_silencing = is_open

    @rx.event(background=True)
    async def silence(self, form: dict[str, Any]) -> None:
        """Silence the alert of the dialog; the corner offers Undo."""
        async with self:
            alert_id = self.silence_id
            self.is_silencing = False
        until = rows.until_of(str(form.get("until", "")), console().clock.now())
        reason = str(form.get("reason", "")).strip()[:_REASON_LONGEST]
        await _act(self, alert_id, lambda who: console().backend.alerts.silence(who, alert_id, until, reason), "Silenced.", "silence")

    @rx.event(background=True)
    async def unsilence(self, alert_id: int) -> None:
        """Hear the alert again."""
        await _act(self, alert_id, lambda who: console().backend.alerts.unsilence(who, alert_id), "Heard again.")

    async def _read_past(self, principal: Principal) -> None:
        """What is over: a page of it for the history, the last one for an empty Firing."""
        wanted = rows.PAGE_ROWS + 1 if self._query.tab == "history" else 1
        try:
            self._past = list(await console().backend.alerts.resolved(principal, wanted, self._query.before))
        except SpillwayError as problem:
            self._past = []
            self.failure = f"The history could not be read: {words.told(problem)}" if self._query.tab == "history" else ""

    def _show(self) -> None:
        """Bring the page up to date with the snapshot."""
        here, query = console(), self._query
        now, reading = here.clock.now(), here.snapshot.alerts
        listed = reading.value if reading is not None else ()
        told = rows.verdict(None if reading is None else listed, now, is_old=here.fallback() is not None)
        is_history = query.tab == "history"
        state = rows.STATE_OF_TAB.get(query.tab)
        shown = rows.past(self._past, now) if is_history else rows.rows(listed, state, now) if state is not None else []
        is_read = is_history or reading is not None
        assign(
            self,
            is_offered=here.snapshot.are_alerts_offered,
            tabs=rows.tabs(query, listed, now),
            title=told.title,
            lede=told.lede,
            alerts=shown,
            nothing=rows.nothing(query.tab, self._past[0].alert if self._past else None)
            if not shown and is_read and not self.failure
            else "",
            older=rows.older_href(self._past) if is_history else "",
            newest="/alerts?tab=history" if is_history and query.before else "",
        )


async def _act(page: Any, alert_id: int, act: Callable[[Principal], Awaitable[ListedAlert]], told: str, undo: str = "") -> None:
    """Ask who it is, act outside the state's lock, show what came of it, and say so in the corner."""
    principal = await principal_of(page)
    text, tone = told, "ok"
    if principal is None:
        text, tone = "Your session has ended: sign in again.", "warn"
    else:
        try:
            console().alert_poll.keep(await act(principal))
        except SpillwayError as failure:
            text, tone = words.told(failure), "warn"
            console().alert_poll.news()
    async with page:
        shell = await page.get_state(ShellState)
        shell.is_signed_out = principal is None
        is_undone = undo and tone == "ok"
        shell._say(text, tone, alert_id=alert_id if is_undone else 0, alert_act=undo if is_undone else "")  # noqa: SLF001 - the frame's own way


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring an open `/alerts` and its frame up to date."""
    fill(await root.get_state(ShellState))
    (await root.get_state(AlertsState))._show()  # noqa: SLF001 - a public method would be an event handler
