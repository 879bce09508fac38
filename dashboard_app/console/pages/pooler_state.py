"""The part of `/sources/[id]` that is about a PgBouncer: its pools, read while the page is open, and what an admin tells it."""

from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.rows import pooler as rows
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import NotFound, NotSignedIn, SpillwayError
from dashboard_app.model.pooler import PoolerAct
from dashboard_app.policy.permission import allowed, refusal

POLICY = {
    "pooler_state.read": "sources.read",
    "pooler_state.ask": "pooler.act",
    "pooler_state.show": "pooler.act",
    "pooler_state.choose": "pooler.act",
    "pooler_state.type_name": "pooler.act",
    "pooler_state.act": "pooler.act",
}
"""Event handler → the action it needs."""


class PoolerState(rx.State):
    """The panel of one PgBouncer and the dialog of its acts."""

    number: int = 0
    panel: rows.PoolerPanel = rows.PoolerPanel()
    is_read: bool = False
    failure: str = ""
    refused: str = ""

    is_open: bool = False
    words: rows.ActWords = rows.ActWords()
    chosen: str = rows.ALL
    source_name: str = ""
    typed: str = ""
    note: str = ""
    is_busy: bool = False
    told: str = ""
    told_tone: str = "ok"

    _act: str = ""

    @rx.event(background=True)
    async def read(self, number: int) -> None:
        """Read the pools of one source; what fails is said in the panel, and the last rows stay."""
        async with self:
            if number != self.number:
                assign(self, number=number, panel=rows.PoolerPanel(), is_read=False, failure="", told="", is_open=False)
        failure, panel, refused = "", None, ""
        try:
            principal = await principal_of(self)
            if principal is None:
                raise NotSignedIn
            refused = "" if allowed(principal.role, "pooler.act") else refusal(principal.role, "pooler.act")
            panel = rows.panel(await console().backend.pooler(number, principal))
        except NotFound:
            failure = "This server does not tell about pools."
        except SpillwayError as error:
            failure = error.detail
        async with self:
            if number == self.number:
                assign(self, failure=failure, is_read=True, refused=refused, panel=panel or self.panel)

    @rx.event
    def ask(self, act: str) -> None:
        """Open the dialog of one act."""
        source = console().snapshot.sources.get(self.number)
        if source is None or act not in rows.ACTS:
            return
        self._act = act
        assign(self, words=rows.ACTS[PoolerAct(act)], chosen=rows.ALL, source_name=source.name, typed="", note="", told="", is_open=True)

    @rx.event
    def show(self, is_open: bool) -> None:
        """Close the dialog (or keep it open)."""
        self.is_open = is_open

    @rx.event
    def choose(self, choice: str) -> None:
        """Take over which database is meant."""
        self.chosen = choice

    @rx.event
    def type_name(self, text: str) -> None:
        """Take over what was typed so far."""
        self.typed = text

    @rx.event(background=True)
    async def act(self) -> Any:
        """Do it and say in place what came of it; a refusal stays in the dialog."""
        async with self:
            if self.is_busy or self._act not in rows.ACTS:
                return
            assign(self, is_busy=True, note="")
            act, number, database, confirm = PoolerAct(self._act), self.number, rows.database_of(self.chosen), self.typed
        told, note, panel = "", "", None
        try:
            principal = await principal_of(self)
            if principal is None:
                raise NotSignedIn
            answer = await console().backend.pooler_act(principal, number, act, database=database, confirm=confirm)
            told = rows.done(act, answer)
            panel = rows.panel(answer["after"]) if answer.get("after") else None
        except SpillwayError as failure:
            note = f"Not done: {words.told(failure)}"
        async with self:
            assign(self, is_busy=False, note=note, told=told, told_tone="ok", is_open=bool(note), panel=panel or self.panel)
