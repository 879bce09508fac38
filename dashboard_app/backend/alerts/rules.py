"""The rules in memory, and how they are changed: checked, kept, and obeyed from the next look on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from dashboard_app.model.alert import AlertRule, MetricInfo, RuleSettings
from dashboard_app.model.errors import Conflict, InvalidInput, NotFound
from dashboard_app.policy.alert_rule import check_rule, metrics_of, named
from dashboard_app.store.alert_rules import RULES_AT_MOST, AlertRuleStore


class Rules:
    """Every rule by id. Reading needs no connection; changing takes one of the control pool."""

    def __init__(self, store: AlertRuleStore, units: Callable[[], Mapping[str, str]]) -> None:
        """`units`: the numbers that probes give, and their units."""
        self._store = store
        self.metrics: Mapping[str, MetricInfo] = metrics_of(units())
        self.known: dict[int, AlertRule] = {}

    async def start(self) -> None:
        """Read them all. Raises DatabaseUnavailable."""
        self.known = {rule.id: rule for rule in await self._store.everything()}

    def enabled(self) -> Iterator[AlertRule]:
        """Those that are obeyed: switched on, and about a metric that this version knows."""
        return (rule for rule in list(self.known.values()) if rule.settings.enabled and rule.settings.metric in self.metrics)

    def get(self, rule_id: int) -> AlertRule:
        """One rule. Raises NotFound."""
        if rule_id not in self.known:
            raise NotFound(f"There is no alert rule {rule_id}.")
        return self.known[rule_id]

    def check(self, settings: RuleSettings) -> None:
        """Return when the settings are acceptable. Raises InvalidInput with a reason per field."""
        if errors := check_rule(settings, self.metrics):
            raise InvalidInput(named(errors), tuple(errors))

    async def add(self, settings: RuleSettings) -> AlertRule:
        """The new rule.

        Raises:
            InvalidInput: a field is not acceptable. Conflict: the name is taken, or there are too many. DatabaseUnavailable.

        """
        self.check(settings)
        if len(self.known) >= RULES_AT_MOST:
            raise Conflict(f"There are {RULES_AT_MOST} rules already; delete one first.")
        return self._kept(await self._store.add(settings))

    async def change(self, rule_id: int, changes: Mapping[str, Any]) -> AlertRule:
        """The rule after `changes` (fields of RuleSettings by name).

        Raises:
            NotFound, InvalidInput. Conflict: the name is taken. DatabaseUnavailable.

        """
        wanted = replace(self.get(rule_id).settings, **changes)
        self.check(wanted)
        changed = await self._store.change(rule_id, wanted)
        if changed is None:
            self.known.pop(rule_id, None)
            raise NotFound(f"There is no alert rule {rule_id}.")
        return self._kept(changed)

    async def remove(self, rule_id: int) -> AlertRule:
        """The rule that is gone. Raises NotFound. Conflict: it is built in. DatabaseUnavailable."""
        rule = self.get(rule_id)
        if rule.is_builtin:
            raise Conflict("A built-in rule cannot be deleted; it can be switched off.")
        await self._store.remove(rule_id)
        self.known.pop(rule_id, None)
        return rule

    def _kept(self, rule: AlertRule) -> AlertRule:
        """Obey it from the next look on."""
        self.known[rule.id] = rule
        return rule
