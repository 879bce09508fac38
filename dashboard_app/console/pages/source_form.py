"""The state of the dialogs that add, edit and delete a source. No password ever stands in it: it passes through one event."""

from dataclasses import replace
from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows.source_form import (
    DEFAULT_PORTS,
    FieldErrors,
    SourceFields,
    StepRow,
    changes_of,
    check,
    errors_of,
    fields_of,
    settings_of,
    steps_of,
)
from dashboard_app.console.saved import forget, keep
from dashboard_app.console.session import principal_of
from dashboard_app.model.errors import Conflict, InvalidInput, SpillwayError
from dashboard_app.model.source import Source, SourceSettings
from dashboard_app.model.user import Principal

POLICY = {
    "source_form.add": "sources.write",
    "source_form.edit": "sources.write",
    "source_form.show": "sources.write",
    "source_form.choose": "sources.write",
    "source_form.intend": "sources.write",
    "source_form.submit": "sources.write",
    "source_form.ask_delete": "sources.write",
    "source_form.show_delete": "sources.write",
    "source_form.type_name": "sources.write",
    "source_form.delete": "sources.write",
}
"""Event handler → the action it needs."""


class SourceForm(rx.State):
    """Two dialogs, one at a time."""

    is_open: bool = False
    title: str = ""
    fields: SourceFields = SourceFields()
    errors: FieldErrors = FieldErrors()
    note: str = ""
    steps: list[StepRow] = []  # noqa: RUF012 - Reflex copies a state's defaults
    busy: str = ""

    is_deleting: bool = False
    delete_id: int = 0
    delete_name: str = ""
    typed: str = ""
    delete_note: str = ""
    keep_days: int = 14

    _intent: str = "save"
    _was_tested: bool = False

    @rx.event
    def add(self) -> None:
        """Open the empty form."""
        self._open("Add a source", SourceFields())

    @rx.event
    def edit(self, source_id: int) -> None:
        """Open the form with a registered source in it."""
        source = console().snapshot.sources.get(source_id)
        if source is not None:
            self._open(f"Edit {source.name}", fields_of(source))

    @rx.event
    def show(self, is_open: bool) -> None:
        """Close the form (or keep it open)."""
        self.is_open = is_open

    @rx.event
    def choose(self, kind: str) -> None:
        """Show the fields of a kind, for a new source."""
        if kind in DEFAULT_PORTS and not self.fields.id:
            self.fields = replace(self.fields, kind=kind, port=DEFAULT_PORTS[kind])
            self.errors, self.note, self.steps = FieldErrors(), "", []

    @rx.event
    def intend(self, what: str) -> None:
        """Say which of its buttons sends the form: test or save."""
        self._intent = what if what in ("test", "save") else "save"

    @rx.event(background=True)
    async def submit(self, form: dict[str, Any]) -> None:
        """Test the settings, or save them; what is wrong goes under its field."""
        errors = check(form)
        async with self:
            self.errors, self.note, self.steps = errors, "", []
            intent, source_id = self._intent, self.fields.id
            if errors or self.busy:
                return
            self.busy = intent
        try:
            settings = settings_of(form, console().snapshot.sources.get(source_id))
            await (self._test(settings) if intent == "test" else self._save(settings, source_id))
        except InvalidInput as failure:
            placed, note = errors_of(failure.errors, failure.detail)
            await self._show_failure(placed, note)
        except Conflict:
            await self._show_failure(FieldErrors(name="This name is taken; choose another"), "")
        except SpillwayError as failure:
            await self._show_failure(FieldErrors(), f"{'Could not test' if intent == 'test' else 'Could not save'}: {words.told(failure)}")

    @rx.event
    def ask_delete(self, source_id: int) -> None:
        """Open the dialog that asks for the source's name."""
        source = console().snapshot.sources.get(source_id)
        if source is None:
            return
        self.delete_id, self.delete_name, self.typed, self.delete_note = source.id, source.name, "", ""
        self.keep_days = console().settings.samples_keep_days
        self.is_deleting = True

    @rx.event
    def show_delete(self, is_open: bool) -> None:
        """Close the dialog (or keep it open)."""
        self.is_deleting = is_open

    @rx.event
    def type_name(self, text: str) -> None:
        """Take over what was typed so far."""
        self.typed = text

    @rx.event(background=True)
    async def delete(self) -> None:
        """Delete the source, if its name was typed."""
        async with self:
            source_id, name, is_typed = self.delete_id, self.delete_name, self.typed.strip() == self.delete_name
        if not is_typed:
            return
        try:
            await console().backend.delete_source(await self._principal(), source_id)
        except SpillwayError as failure:
            async with self:
                self.delete_note = f"Could not delete: {words.told(failure)}"
            return
        forget(source_id)
        async with self:
            self.is_deleting = False
            (await self.get_state(ShellState))._say(f"{name} deleted.")  # noqa: SLF001 - the frame's own way

    def _open(self, title: str, fields: SourceFields) -> None:
        """Show the form anew."""
        self.title, self.fields, self.errors, self.note, self.steps, self.busy = title, fields, FieldErrors(), "", [], ""
        self._intent, self._was_tested, self.is_open = "save", False, True

    async def _principal(self) -> Principal:
        """Who asks; the backend refuses when it may not, so an ended session is told apart here only by its words."""
        principal = await principal_of(self)
        if principal is None:
            raise InvalidInput("Your session has ended: sign in again.")
        return principal

    async def _test(self, settings: SourceSettings) -> None:
        """Try the settings and show each step."""
        report = await console().backend.test_source(await self._principal(), settings)
        async with self:
            self.steps, self.busy, self._was_tested = steps_of(report), "", True
            self.note = (
                "Every step passed." if report["ok"] else "It can be saved as it is: it will be shown as unhealthy until it answers."
            )

    async def _save(self, settings: SourceSettings, source_id: int) -> None:
        """Create or change the source and close the form."""
        backend, principal = console().backend, await self._principal()
        saved: Source
        if source_id:
            saved = await backend.update_source(principal, source_id, changes_of(settings))
        else:
            saved = await backend.create_source(principal, settings)
        keep(saved)
        async with self:
            self.is_open, self.busy = False, ""
            text = f"{saved.name} saved." if self._was_tested or source_id else f"{saved.name} saved untested: its first check follows."
            (await self.get_state(ShellState))._say(text)  # noqa: SLF001 - the frame's own way

    async def _show_failure(self, errors: FieldErrors, note: str) -> None:
        """Put what is wrong where it belongs."""
        async with self:
            self.errors, self.note, self.busy = errors, note, ""
