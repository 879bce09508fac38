"""The state of the command palette: hits are read when it opens, as something is typed and every two seconds, and sent to nobody else."""

from typing import Any

import reflex as rx

from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows.palette import LONGEST_TEXT, RECENT_AT_MOST, Hit, commands, found, in_place, source_hits
from dashboard_app.console.session import principal_of
from dashboard_app.console.words import told
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require

POLICY = {
    "palette_state.show": "sources.read",
    "palette_state.find": "sources.read",
    "palette_state.again": "sources.read",
    "palette_state.refresh": "loader.refresh",
}
"""Event handler → the action it needs."""


class PaletteState(rx.State):
    """What the palette shows for `found_for`, the text it was asked for."""

    hits: list[Hit] = []  # noqa: RUF012 - Reflex copies a state's defaults
    found_for: str = ""

    _recent: list[str] = []  # noqa: RUF012 - as above

    @rx.event
    async def show(self, recent: list[str]) -> None:
        """Open: everything the role may use, what was used last first."""
        self._recent = [str(one)[:LONGEST_TEXT] for one in recent[:RECENT_AT_MOST]]
        await self._find("")

    @rx.event
    async def find(self, text: str) -> None:
        """Take over what was typed so far."""
        await self._find(text.strip()[:LONGEST_TEXT])

    @rx.event
    async def again(self) -> None:
        """Read the hits for the same text once more: an open palette shows sources that came meanwhile, and states as they are now.

        What is there stays in its place, under the pointer; what is new comes below.
        """
        hits = in_place(await self._hits(self.found_for), [hit.id for hit in self.hits])
        if hits != self.hits:
            self.hits = hits

    @rx.event
    async def refresh(self) -> None:
        """Start a round from wherever the palette was opened."""
        shell = await self.get_state(ShellState)
        try:
            require(await principal_of(self), "loader.refresh")
            joined = console().loader.refresh()
            shell._say("A round is under way; this joins it" if joined else "A round has started")  # noqa: SLF001 - the frame's own way
        except SpillwayError as failure:
            shell._say(told(failure), "warn")  # noqa: SLF001 - as above

    async def _find(self, text: str) -> None:
        """Show the hits for `text`."""
        self.hits = await self._hits(text)
        self.found_for = text

    async def _hits(self, text: str) -> list[Hit]:
        """What fits `text`; nothing for who is signed out."""
        principal = await principal_of(self)
        return [] if principal is None else found(_all_hits(principal), text, self._recent)


def _all_hits(principal: Principal) -> list[Hit]:
    """Every page, action and source this person may reach."""
    services: Any = console()
    snapshot = services.snapshot
    statuses = {key: reading.value.status for key, reading in snapshot.health.items()}
    metrics = {key: reading.value.metrics for key, reading in snapshot.metrics.items()}
    return [
        *commands(principal.role, is_demo=services.settings.demo, is_fallback=services.fallback() is not None),
        *source_hits(snapshot.sources.values(), statuses, metrics),
    ]
