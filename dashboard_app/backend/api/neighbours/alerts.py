"""What the API asks of alerts and their rules."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from dashboard_app.model.alert import Alert, AlertRule, AlertState, MetricInfo, RuleSettings


class RulePreview(Protocol):
    """How often a rule would have fired; `fired` None: no past is kept."""

    @property
    def fired(self) -> int | None:
        """In all."""

    @property
    def since(self) -> datetime:
        """From when on."""

    @property
    def sources(self) -> int:
        """How many sources were looked at."""

    @property
    def by_source(self) -> Sequence[tuple[str, int]]:
        """The sources it would have fired for, the most first."""


class Alerts(Protocol):
    """What fires, who has it, and the rules. Acts raise NotFound, Conflict (it is over), InvalidInput."""

    async def page(self, state: AlertState | None, *, only_open: bool, limit: int, before: int | None) -> Sequence[Alert]:
        """Alerts, newest first."""

    def open_now(self) -> Sequence[Alert]:
        """What is not over, from memory."""

    def covered(self) -> dict[int, int]:
        """Each open alert that a stricter one speaks for → the id of that one."""

    async def acknowledge(self, alert_id: int, by: str) -> Alert:
        """The alert, which is somebody's now."""

    async def unacknowledge(self, alert_id: int) -> Alert:
        """The alert, which is nobody's again."""

    async def silence(self, alert_id: int, by: str, until: datetime, reason: str) -> Alert:
        """The alert, silent until then."""

    async def unsilence(self, alert_id: int) -> Alert:
        """The alert, heard again."""

    def rules(self) -> Sequence[AlertRule]:
        """Every rule by id."""

    def metrics(self) -> Sequence[MetricInfo]:
        """What a rule may be about."""

    def rule(self, rule_id: int) -> AlertRule:
        """One rule. Raises NotFound."""

    async def add_rule(self, settings: RuleSettings) -> AlertRule:
        """The new rule. Raises InvalidInput, Conflict."""

    async def change_rule(self, rule_id: int, changes: Mapping[str, Any]) -> AlertRule:
        """The rule after the changes. Raises NotFound, InvalidInput, Conflict."""

    async def remove_rule(self, rule_id: int) -> AlertRule:
        """The rule that is gone. Raises NotFound, Conflict (built in)."""

    async def preview(self, settings: RuleSettings) -> RulePreview:
        """How often it would have fired. Raises InvalidInput."""
