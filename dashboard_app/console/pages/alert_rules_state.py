"""The state of the rules of `/alerts`: the list, the editor with its preview, and deleting."""

from typing import Any

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows import alert_rules as rows
from dashboard_app.console.session import assign, principal_of
from dashboard_app.model.alert import AlertRule, MetricInfo
from dashboard_app.model.errors import Conflict, InvalidInput, SpillwayError
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import allowed

POLICY = {
    "alert_rules.add": "alert_rules.write",
    "alert_rules.edit": "alert_rules.write",
    "alert_rules.show": "alert_rules.write",
    "alert_rules.intend": "alert_rules.write",
    "alert_rules.submit": "alert_rules.write",
    "alert_rules.switch": "alert_rules.write",
    "alert_rules.ask_delete": "alert_rules.write",
    "alert_rules.show_delete": "alert_rules.write",
    "alert_rules.delete": "alert_rules.write",
}
"""Event handler → the action it needs."""


class AlertRules(rx.State):
    """At most 200 rules, and two dialogs, one at a time."""

    is_refused: bool = False
    rules: rx.Field[list[rows.RuleRow]] = rx.field(default_factory=list)
    metrics: rx.Field[list[rows.Choice]] = rx.field(default_factory=list)
    failure: str = ""

    is_open: bool = False
    title: str = ""
    turn: int = 0
    """Grows with each opening: the form starts anew with its values."""
    fields: rows.RuleFields = rows.RuleFields()
    errors: rows.RuleErrors = rows.RuleErrors()
    note: str = ""
    preview: str = ""
    busy: str = ""

    is_deleting: bool = False
    delete_id: int = 0
    delete_name: str = ""
    delete_note: str = ""

    _intent: str = "save"
    _known: dict[int, AlertRule] = {}  # noqa: RUF012 - Reflex copies a state's defaults
    _infos: list[MetricInfo] = []  # noqa: RUF012 - as above

    @rx.event
    def add(self) -> None:
        """Open the empty form."""
        self._open("Add a rule", rows.RuleFields())

    @rx.event
    def edit(self, rule_id: int) -> Any:
        """Open the form with a rule in it, and say what it would have done."""
        rule = self._known.get(rule_id)
        if rule is None:
            return None
        self._open(f"Edit {rule.settings.name}", rows.fields_of(rule))
        self._intent = "preview"
        shown = rows.fields_of(rule)
        return AlertRules.submit({name: getattr(shown, name) for name in rows.FIELDS})

    @rx.event
    def show(self, is_open: bool) -> None:
        """Close the form (or keep it open)."""
        self.is_open = is_open

    @rx.event
    def intend(self, what: str) -> None:
        """Say which of its buttons sends the form: preview or save."""
        self._intent = what if what in ("preview", "save") else "save"

    @rx.event(background=True)
    async def submit(self, form: dict[str, Any]) -> None:
        """Say what the rule would have done, or save it; what is wrong goes under its field."""
        async with self:
            if self.busy:
                return
            intent, rule_id = self._intent, self.fields.id
            self._intent = "save"
            assign(self, busy=intent, errors=rows.RuleErrors(), note="")
        errors, note = rows.RuleErrors(), ""
        try:
            body = rows.body_of(form)
            await (self._preview(body) if intent == "preview" else self._save(body, rule_id))
        except InvalidInput as failure:
            errors, note = rows.errors_of(failure.errors, failure.detail)
        except Conflict as failure:
            errors = rows.RuleErrors(name=failure.detail)
        except SpillwayError as failure:
            note = f"Could not {'look' if intent == 'preview' else 'save'}: {words.told(failure)}"
        async with self:
            assign(self, busy="", errors=errors, note=note)

    @rx.event(background=True)
    async def switch(self, rule_id: int, enabled: bool) -> None:
        """Switch a rule on or off."""
        text, tone = ("Switched on." if enabled else "Switched off: what it had open is over."), "ok"
        try:
            principal = await self._principal()
            await console().backend.alerts.save_rule(principal, rule_id, {"enabled": enabled})
        except SpillwayError as failure:
            text, tone = words.told(failure), "warn"
        await self._done(text, tone)

    @rx.event
    def ask_delete(self, rule_id: int) -> None:
        """Ask before a rule goes."""
        rule = self._known.get(rule_id)
        if rule is not None:
            assign(self, delete_id=rule_id, delete_name=rule.settings.name, delete_note="", is_deleting=True)

    @rx.event
    def show_delete(self, is_open: bool) -> None:
        """Close the dialog (or keep it open)."""
        self.is_deleting = is_open

    @rx.event(background=True)
    async def delete(self) -> None:
        """Delete the rule of the dialog."""
        async with self:
            if not self.is_deleting:
                return
            rule_id, name = self.delete_id, self.delete_name
        try:
            await console().backend.alerts.delete_rule(await self._principal(), rule_id)
        except SpillwayError as failure:
            async with self:
                self.delete_note = f"Could not delete: {words.told(failure)}"
            return
        async with self:
            self.is_deleting = False
        await self._done(f"{name} deleted.")

    def _open(self, title: str, fields: rows.RuleFields) -> None:
        """Show the form anew."""
        values = {"title": title, "fields": fields, "turn": self.turn + 1, "is_open": True}
        assign(self, errors=rows.RuleErrors(), note="", preview="", busy="", **values)
        self._intent = "save"

    async def _principal(self) -> Principal:
        """Who asks; the calls refuse when it may not."""
        principal = await principal_of(self)
        if principal is None:
            raise InvalidInput("Your session has ended: sign in again.")
        return principal

    async def _preview(self, body: dict[str, object]) -> None:
        """Say under the form what the rule would have done."""
        answer = await console().backend.alerts.preview(await self._principal(), body)
        async with self:
            self.preview = rows.preview_words(answer, str(body["metric"]))

    async def _save(self, body: dict[str, object], rule_id: int) -> None:
        """Keep the rule and close the form."""
        saved = await console().backend.alerts.save_rule(await self._principal(), rule_id, body)
        async with self:
            self.is_open = False
        await self._done(f"{saved.settings.name} saved.")

    async def _done(self, text: str, tone: str = "ok") -> None:
        """Say it in the corner and read the rules again."""
        principal = await principal_of(self)
        console().alert_poll.news()
        async with self:
            (await self.get_state(ShellState))._say(text, tone)  # noqa: SLF001 - the frame's own way
            if principal is not None:
                await self._read(principal)

    async def _read(self, principal: Principal) -> None:
        """Read the rules, if this person may see them; a failure keeps what is shown."""
        self.is_refused = not allowed(principal.role, "alert_rules.read")
        if self.is_refused:
            assign(self, rules=[], metrics=[], _known={}, _infos=[])
            return
        try:
            book = await console().backend.alerts.rules(principal)
        except SpillwayError as failure:
            self.failure = f"The rules could not be read: {words.told(failure)}"
            return
        self._known, self._infos = {rule.id: rule for rule in book.rules}, list(book.metrics)
        assign(self, failure="", rules=rows.rule_rows(book.rules, book.metrics), metrics=rows.choices(book.metrics))
