"""The state of `/breakers`: display rows only; what a dialog does asks for the principal and the admin role each time."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.pages.pool_cleanup import permitted
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import breakers as rows
from dashboard_app.console.session import assign
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.errors import InvalidInput, NotFound, SpillwayError

POLICY = {
    "breakers_state.load": "console.watch",
    "breakers_state.read": "console.watch",
    "breakers_state.ask": "breakers.write",
    "breakers_state.act": "breakers.write",
    "breakers_state.set_dialog": "console.watch",
}
"""Event handler → the action it needs."""
LASTS = {"": "someone closes it", "15": "15 minutes from now", "60": "1 hour from now", "240": "4 hours from now", "1440": "1 day from now"}
"""How long a held state can last, in minutes, in words."""


class BreakersState(rx.State):
    """What `/breakers` shows."""

    title: str = "Breakers"
    lede: str = ""
    cards: rx.Field[list[rows.Card]] = rx.field(default_factory=list)
    queue: rx.Field[list[rows.QueueFact]] = rx.field(default_factory=list)
    lanes: rx.Field[list[rows.RoundRow]] = rx.field(default_factory=list)
    round_told: str = ""

    is_dialog_open: bool = False
    dialog: rows.Dialog = rows.Dialog()
    reason_error: str = ""
    typed_error: str = ""
    failure: str = ""
    is_busy: bool = False

    @rx.event
    async def load(self) -> None:
        """Start the page."""
        if await enter(self, "breakers") is not None:
            self._show()

    @rx.event
    async def read(self) -> None:
        """Bring the queue's figures up to date; they change without any news."""
        self._show()

    @rx.event
    async def ask(self, name: str, state: str) -> None:
        """Open the dialog that puts a breaker into a state."""
        try:
            breaker, wanted = console().breakers[name], BreakerState(state)
        except (NotFound, ValueError):
            return
        dialog = rows.dialog(name, wanted, breaker.reading(), breaker.outcomes())
        assign(self, dialog=dialog, is_dialog_open=True, reason_error="", typed_error="", failure="")

    @rx.event
    def set_dialog(self, is_open: bool) -> None:
        """Close the dialog (Escape, Cancel); it is opened by `ask` only."""
        if not is_open and not self.is_busy:
            self.is_dialog_open = False

    @rx.event(background=True)
    async def act(self, form: dict[str, Any]) -> None:
        """Do what the dialog says, once its fields are right."""
        reason, typed = str(form.get("reason") or "").strip(), str(form.get("typed") or "").strip()
        minutes = str(form.get("until") or "")
        async with self:
            asked = self.dialog
            if self.is_busy or not self.is_dialog_open:
                return
            assign(
                self,
                reason_error="" if reason else "Say why; it is kept with your name.",
                typed_error="" if typed == asked.typed else f"Type {asked.typed} to go on.",
                failure="",
            )
            if self.reason_error or self.typed_error:
                return
            self.is_busy = True
        told = await self._set(asked, reason, minutes)
        async with self:
            assign(self, is_busy=False, failure=told, is_dialog_open=bool(told))
            self._show()

    async def _set(self, asked: rows.Dialog, reason: str, minutes: str) -> str:
        """Set the breaker; why it could not be, or ""."""
        until = console().clock.now() + timedelta(minutes=int(minutes)) if asked.lasts and minutes in LASTS and minutes else None
        try:
            principal = await permitted(self, "breakers.write")
            await console().holds.set(principal, asked.name, BreakerState(asked.state), reason, until=until)
        except InvalidInput as failure:
            return " ".join(f"{error['field'].capitalize()}: {error['message']}." for error in failure.errors)
        except SpillwayError as failure:
            return words.told(failure)
        return ""

    def _show(self) -> None:
        """Bring the page up to date; only what changed is assigned."""
        here = console()
        readings = [breaker.reading() for breaker in here.breakers]
        title, lede = rows.verdict(readings)
        cards = [
            rows.card(reading, breaker.transitions(), breaker.outcomes(), breaker.limits)
            for reading, breaker in zip(readings, here.breakers, strict=True)
        ]
        progress = here.loader.progress()
        names = {key: source.name for key, source in here.snapshot.sources.items()}
        lanes = [
            rows.round_row(name, lane.places(), names, progress.lanes[word].reason, lane.batch_size)
            for name, word, lane in (("Health", "health", here.loader.health), ("Metrics", "metrics", here.loader.metrics))
        ]
        last = progress.last_round
        told = f"The last full round took {words.duration(last.duration_s)}; {words.count(last.failed)} failed" if last else ""
        assign(self, title=title, lede=lede, cards=cards, queue=rows.queue(here.queue.figures()), lanes=lanes, round_told=told)


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring an open `/breakers` and its frame up to date."""
    fill(await root.get_state(ShellState))
    (await root.get_state(BreakersState))._show()  # noqa: SLF001 - a public method would be an event handler
