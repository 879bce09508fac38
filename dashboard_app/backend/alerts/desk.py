"""What people do with alerts and rules: look, acknowledge, silence, edit. Alerts work while the database is away."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from dashboard_app.backend.alerts.book import Book
from dashboard_app.backend.alerts.evaluate import Evaluator
from dashboard_app.backend.alerts.preview import Preview, Previews
from dashboard_app.backend.alerts.rules import Rules
from dashboard_app.model.alert import Alert, AlertRule, AlertState, MetricInfo, RuleSettings
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Conflict, InvalidInput, NotFound

OPEN_STATES = frozenset(AlertState) - {AlertState.RESOLVED}
_WATCHED_FIELDS = {"metric", "operator"}


class Desk:
    """The service behind the calls. Rights and the audit are the caller's."""

    def __init__(self, book: Book, rules: Rules, evaluator: Evaluator, previews: Previews, clock: Clock) -> None:
        """No I/O."""
        self._book, self._rules, self._evaluator, self._previews, self._clock = book, rules, evaluator, previews, clock

    async def page(self, state: AlertState | None, *, only_open: bool, limit: int, before: int | None) -> list[Alert]:
        """Alerts, the newest first; `state` None: all, or all that are not over."""
        states = frozenset({state}) if state is not None else OPEN_STATES if only_open else frozenset(AlertState)
        return await self._book.page(states, limit, before)

    def open_now(self) -> list[Alert]:
        """What is not over, from memory, the newest first."""
        return self._book.open_alerts()

    def covered(self) -> dict[int, int]:
        """Each open alert that a stricter one speaks for → the id of that one."""
        return self._book.covered(self._rules.known)

    def known(self, alert_id: int) -> Alert | None:
        """An alert that is open or was lately, from memory."""
        return self._book.known(alert_id)

    async def acknowledge(self, alert_id: int, by: str) -> Alert:
        """The alert, with whom it belongs to now; the first to acknowledge stays. Those it covers go with it.

        Raises:
            NotFound: there is no such alert. Conflict: it is over. DatabaseUnavailable: neither is known.

        """
        alert = await self._open(alert_id)
        if alert.acknowledged_by is None:
            self._change(alert_id, acknowledged_by=by, acknowledged_at=self._clock.now())
        return await self._open(alert_id)

    async def unacknowledge(self, alert_id: int) -> Alert:
        """The alert, which belongs to nobody again; raises as `acknowledge`."""
        await self._open(alert_id)
        self._change(alert_id, acknowledged_by=None, acknowledged_at=None)
        return await self._open(alert_id)

    async def silence(self, alert_id: int, by: str, until: datetime, reason: str) -> Alert:
        """The alert, silent until `until`; a new one of the same rule and source is silent until then, too. Those it covers go with it.

        Raises:
            InvalidInput: `until` is past. NotFound, Conflict, DatabaseUnavailable: as `acknowledge`.

        """
        if until <= self._clock.now():
            raise InvalidInput("until must lie ahead.", ({"field": "until", "message": "must lie ahead"},))
        await self._open(alert_id)
        self._change(alert_id, silenced_until=until, silenced_by=by, silence_reason=reason)
        return await self._open(alert_id)

    async def unsilence(self, alert_id: int) -> Alert:
        """The alert, heard again; raises as `acknowledge`."""
        await self._open(alert_id)
        self._change(alert_id, silenced_until=None, silenced_by=None, silence_reason=None)
        return await self._open(alert_id)

    def rules(self) -> list[AlertRule]:
        """Every rule by id."""
        return [self._rules.known[rule_id] for rule_id in sorted(self._rules.known)]

    def metrics(self) -> list[MetricInfo]:
        """What a rule may be about."""
        return list(self._rules.metrics.values())

    def rule(self, rule_id: int) -> AlertRule:
        """One rule. Raises NotFound."""
        return self._rules.get(rule_id)

    async def add_rule(self, settings: RuleSettings) -> AlertRule:
        """The new rule; raises as `Rules.add`."""
        rule = await self._rules.add(settings)
        self._evaluator.changed()
        return rule

    async def change_rule(self, rule_id: int, changes: Mapping[str, Any]) -> AlertRule:
        """The rule after the changes; raises as `Rules.change`. What it watches no more is over."""
        before = self._rules.get(rule_id).settings
        rule = await self._rules.change(rule_id, changes)
        if any(getattr(before, name) != getattr(rule.settings, name) for name in _WATCHED_FIELDS):
            self._evaluator.restart(rule_id)
        self._evaluator.changed()
        return rule

    async def remove_rule(self, rule_id: int) -> AlertRule:
        """The rule that is gone; raises as `Rules.remove`. What it had open is over."""
        rule = await self._rules.remove(rule_id)
        self._evaluator.changed()
        return rule

    async def preview(self, settings: RuleSettings) -> Preview:
        """How often these settings would have fired. Raises InvalidInput, DatabaseUnavailable."""
        self._rules.check(settings)
        return await self._previews.of(settings, self._clock.now())

    async def _open(self, alert_id: int) -> Alert:
        """An alert that is not over."""
        alert = self._book.find(alert_id)
        if alert is not None:
            return alert
        if await self._book.is_over(alert_id):
            raise Conflict("This alert is over.")
        raise NotFound(f"There is no alert {alert_id}.")

    def _change(self, alert_id: int, **fields: Any) -> None:
        """Change an alert and those it covers."""
        covered = {one for one, top in self.covered().items() if top == alert_id}
        for alert in self._book.open_alerts():
            if alert.id == alert_id or alert.id in covered:
                self._book.change(replace(alert, **fields))
        self._evaluator.changed()
