"""The state of `/settings`: the values, what a person is changing, and the save."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import settings as rows
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.errors import InvalidInput, SpillwayError
from dashboard_app.policy.permission import allowed
from dashboard_app.settings import PREFIX, Settings, is_live

POLICY = {
    "settings_state.load": "console.watch",
    "settings_state.edit": "settings.write",
    "settings_state.discard": "settings.write",
    "settings_state.review": "settings.write",
    "settings_state.set_reviewing": "settings.write",
    "settings_state.save": "settings.write",
    "settings_state.undo": "settings.write",
    "settings_state.reset_one": "settings.write",
}
"""Event handler → the action it needs. Loading answers a viewer with the reason."""
_LONGEST_TEXT = 40


class SettingsState(rx.State):
    """Every setting as it is now; secrets are dots before they get here."""

    is_refused: bool = False
    groups: list[rows.SettingGroup] = []  # noqa: RUF012 - Reflex copies a state's defaults
    title: str = "Settings"
    drafts: dict[str, str] = {}  # noqa: RUF012 - as above
    errors: dict[str, str] = {}  # noqa: RUF012 - as above
    changes: list[rows.Change] = []  # noqa: RUF012 - as above
    drafted: str = ""
    drafted_settings: str = ""
    is_reviewing: bool = False
    is_saving: bool = False
    failure: str = ""
    saved: str = ""
    may_undo: bool = False
    turn: int = 0
    """Grows when fields must show the kept values anew."""

    _seen_version: int = 0
    _undo: dict[str, Any] = {}  # noqa: RUF012 - as above

    @rx.event
    async def load(self) -> None:
        """Show the settings to an admin, and what was being changed before the page loaded again or its socket was cut."""
        principal = await enter(self, "settings")
        if principal is None:
            return
        self.is_refused = not allowed(principal.role, "settings.read")
        if self.drafts and allowed(principal.role, "settings.write"):
            self.failure, self.is_reviewing = "", False
            self._judge()
        else:
            self._drop()
        _show(self)

    @rx.event
    def edit(self, field: str, text: str) -> None:
        """Take over what was typed into one field; the same as the kept value is no change."""
        if field not in Settings.model_fields or not is_live(Settings.model_fields[field]):
            return
        kept = rows.typed(getattr(console().settings, field))
        drafts = {name: draft for name, draft in self.drafts.items() if name != field}
        if text.strip() != kept:
            drafts[field] = text.strip()[:_LONGEST_TEXT]
        self.drafts = drafts
        self._judge()

    @rx.event
    def discard(self) -> None:
        """Forget every change."""
        self._drop()
        self.turn += 1

    @rx.event
    def review(self) -> None:
        """Show old and new side by side."""
        try:
            self.changes = rows.changes(console().live, dict(self.drafts), len(console().snapshot.sources))
        except InvalidInput:
            self._judge()
            return
        self.failure, self.is_reviewing = "", True

    @rx.event
    def set_reviewing(self, is_open: bool) -> None:
        """Open or close the review."""
        self.is_reviewing = is_open

    @rx.event
    async def save(self) -> None:
        """Save every change or none."""
        before = console().live
        undo = {name: before.overrides[name].value if name in before.overrides else None for name in self.drafts}
        if await self._change(dict(self.drafts), seen_version=self._seen_version):
            self._undo, self.may_undo = undo, True
            self.saved = f"{words.plural(len(undo), 'setting')} saved."

    @rx.event
    async def undo(self) -> None:
        """Put back what the last save changed: a new change with its own audit row."""
        if await self._change(dict(self._undo)):
            self.saved, self.may_undo = f"{words.plural(len(self._undo), 'setting')} put back.", False

    @rx.event
    async def reset_one(self, field: str) -> None:
        """Go back to what was read at the start."""
        before = console().live.overrides.get(field)
        if before is not None and await self._change({field: None}):
            self._undo, self.may_undo = {field: before.value}, True
            self.saved = f"{PREFIX}{field.upper()} is back at its value from the start."

    async def _change(self, changes: dict[str, Any], *, seen_version: int | None = None) -> bool:
        """Change settings as the person who is signed in; True when it was done."""
        principal = await principal_of(self)
        self.is_saving, self.failure = True, ""
        try:
            await console().tuning.change(principal, changes, seen_version=seen_version)
        except SpillwayError as failure:
            self.failure = words.told(failure)
            self._seen_version = console().live.version
            return False
        finally:
            self.is_saving = False
        self._drop()
        self.turn += 1
        _show(self)
        return True

    def _judge(self) -> None:
        """What is wrong with the drafts, by field."""
        live = console().live
        try:
            live.judged({name: one.value for name, one in live.overrides.items()} | dict(self.drafts))
        except InvalidInput as mistake:
            found = {one["field"]: one["message"] for one in mistake.errors}
            self.errors = {field: rows.mistake(field, self.drafts.get(field, ""), said) for field, said in found.items()}
        else:
            self.errors = {}
        self.drafted = f"{words.plural(len(self.drafts), 'change')}"
        self.drafted_settings = words.plural(len(self.drafts), "setting")

    def _drop(self) -> None:
        """No change is wanted."""
        self.drafts, self.errors, self.changes, self.failure, self.is_reviewing = {}, {}, [], "", False
        self._seen_version = console().live.version


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring an open `/settings` up to date: the frame, and the values when somebody else changed them."""
    fill(await root.get_state(ShellState))
    page = await root.get_state(SettingsState)
    if not page.is_refused and not page.drafts and page._seen_version != console().live.version:  # noqa: SLF001 - this page's own
        page._seen_version = console().live.version  # noqa: SLF001 - as above
        page.turn += 1
        _show(page)


def _show(page: SettingsState) -> None:
    """The groups as they are now, to whoever may see them."""
    groups = [] if page.is_refused else rows.groups(console().live)
    assign(page, groups=groups, title=rows.title(groups))
