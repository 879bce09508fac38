"""The two stores of alerts in memory, and a whole desk on them: what the API and its tests are given."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from dashboard_app.backend.alerts.book import Book
from dashboard_app.backend.alerts.desk import Desk
from dashboard_app.backend.alerts.evaluate import Evaluator
from dashboard_app.backend.alerts.preview import Previews
from dashboard_app.backend.alerts.readings import Found, KnownSources
from dashboard_app.backend.alerts.rules import Rules
from dashboard_app.model.alert import Alert, AlertRule, Operator, RuleSettings, Severity
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import Conflict, DatabaseUnavailable
from dashboard_app.model.health import Health, Metrics
from dashboard_app.model.pool import Holder, HolderState, PoolCounts
from dashboard_app.model.source import Source, SourceKind

AT = datetime(2026, 1, 1, tzinfo=UTC)
UNITS = {"replication_lag_s": "s"}


def usage_rule(number: int, limit: float, severity: Severity) -> AlertRule:
    settings = RuleSettings(f"Pool usage from {limit:g} %", "pool.usage_percent", Operator.FROM, limit, limit - 5, severity)
    return AlertRule(number, settings, is_builtin=True, created_at=AT, updated_at=AT)


def builtin_rules() -> list[AlertRule]:
    down = RuleSettings("Source unhealthy", "source.status", Operator.FROM, 2.0, 1.0, Severity.WARNING, "all")
    lag = RuleSettings("Replication lag", "source.replication_lag_s", Operator.FROM, 30.0, 10.0, Severity.WARNING, "all", for_s=60.0)
    return [
        usage_rule(1, 70.0, Severity.INFO),
        usage_rule(2, 80.0, Severity.WARNING),
        usage_rule(3, 90.0, Severity.CRITICAL),
        AlertRule(4, down, is_builtin=True, created_at=AT, updated_at=AT),
        AlertRule(5, lag, is_builtin=False, created_at=AT, updated_at=AT),
    ]


class FakeAlertStore:
    def __init__(self) -> None:
        self.rows: dict[int, Alert] = {}
        self.is_away = False
        self.refused: set[int] = set()
        self.last_id = 0
        self.kept_samples: dict[int, list[tuple[float, float]]] = {}
        self.forgotten_before: datetime | None = None

    def _answers(self) -> None:
        if self.is_away:
            raise DatabaseUnavailable("The database does not answer.")

    async def reserve(self, count: int) -> list[int]:
        self._answers()
        first, self.last_id = self.last_id + 1, self.last_id + count
        return list(range(first, self.last_id + 1))

    async def write(self, changed: Sequence[Alert]) -> None:
        self._answers()
        if any(alert.id in self.refused for alert in changed):
            raise Conflict("The table has another open alert of this rule and source")
        self.rows |= {alert.id: alert for alert in changed}

    async def still_open(self) -> list[Alert]:
        self._answers()
        return [alert for alert in self.rows.values() if alert.resolved_at is None]

    async def silenced(self, now: datetime) -> list[Alert]:
        self._answers()
        return [alert for alert in self.rows.values() if alert.silenced_until is not None and alert.silenced_until > now]

    async def page(self, limit: int, before: int | None = None, *, only_resolved: bool = False) -> list[Alert]:
        self._answers()
        found = [one for one in self.rows.values() if (before is None or one.id < before) and (one.resolved_at or not only_resolved)]
        return sorted(found, key=lambda alert: -alert.id)[:limit]

    async def exists(self, alert_id: int) -> bool:
        self._answers()
        return alert_id in self.rows

    async def forget(self, before: datetime) -> int:
        self._answers()
        self.forgotten_before = before
        return 0

    async def samples(self, metric: str, source_ids: Sequence[int], since: datetime, most: int) -> dict[int, list[tuple[float, float]]]:
        self._answers()
        return {key: rows for key, rows in self.kept_samples.items() if key in source_ids}


class FakeRuleStore:
    def __init__(self, rules: Sequence[AlertRule]) -> None:
        self.rows = {rule.id: rule for rule in rules}
        self.is_away = False

    async def everything(self) -> list[AlertRule]:
        if self.is_away:
            raise DatabaseUnavailable("The database does not answer.")
        return list(self.rows.values())

    async def add(self, settings: RuleSettings) -> AlertRule:
        self._free(settings.name, 0)
        rule = AlertRule(max(self.rows, default=0) + 1, settings, is_builtin=False, created_at=AT, updated_at=AT)
        self.rows[rule.id] = rule
        return rule

    async def change(self, rule_id: int, settings: RuleSettings) -> AlertRule | None:
        self._free(settings.name, rule_id)
        if rule_id in self.rows:
            self.rows[rule_id] = replace(self.rows[rule_id], settings=settings)
        return self.rows.get(rule_id)

    async def remove(self, rule_id: int) -> bool:
        return self.rows.pop(rule_id, None) is not None

    def _free(self, name: str, rule_id: int) -> None:
        if any(rule.settings.name == name and rule.id != rule_id for rule in self.rows.values()):
            raise Conflict(f"There is another rule named {name}")


class FakePool:
    """A guard whose counts a test sets."""

    def __init__(self) -> None:
        self.used, self.leaks, self.is_reachable = 0, 0, True
        self.past: dict[str, Any] = {"points": [], "marks": []}
        self.listeners: list[Any] = []

    def counts(self) -> PoolCounts:
        return PoolCounts(20, 10, self.used, 0, 0)

    def holders(self) -> list[Holder]:
        return [Holder(number, "t", "", "", 99.0, HolderState.IDLE, "", suspected_leak=True) for number in range(self.leaks)]

    def history(self, minutes: int = 15) -> dict[str, Any]:
        return self.past

    def on_change(self, callback: Any) -> None:
        self.listeners.append(callback)

    def on_reachable(self, callback: Any) -> None:
        """Nobody goes away here."""


class FakeFound:
    def __init__(self) -> None:
        self.all: tuple[Source, ...] = ()
        self.healths: dict[int, Health] = {}
        self.numbers: dict[int, Metrics] = {}

    def everything(self) -> tuple[Source, ...]:
        return self.all

    def last(self, source_id: int) -> Health | None:
        return self.healths.get(source_id)

    def last_metrics(self, source_id: int) -> Metrics | None:
        return self.numbers.get(source_id)


def source(number: int, name: str, **over: Any) -> Source:
    fields = {"tags": (), "enabled": True} | over
    return Source(
        number, name, SourceKind.POSTGRESQL, "h", 5432, "", "", {}, "", created_at=AT, updated_at=AT, **fields  # type: ignore[arg-type]
    )  # fmt: skip


class Alerting:
    """A desk and what stands behind it."""

    def __init__(self, clock: ManualClock | None = None, sources: KnownSources | None = None, found: Found | None = None) -> None:
        self.clock = clock or ManualClock()
        self.pool, self.found, self.store, self.rule_store = FakePool(), FakeFound(), FakeAlertStore(), FakeRuleStore(builtin_rules())
        self.book, self.rules = Book(self.store, self.clock), Rules(self.rule_store, lambda: UNITS)
        sources = sources or self.found
        self.evaluator = Evaluator(self.pool, sources, found or self.found, book=self.book, rules=self.rules, clock=self.clock)
        previews = Previews(self.pool, sources.everything, self.store)
        self.desk = Desk(self.book, self.rules, self.evaluator, previews, self.clock)

    def fill(self, rules: Mapping[int, AlertRule] | None = None) -> None:
        """Ready at once, as after a start, with alerts 1 to 3 open: the pool is at 93 %."""
        self.rules.known = dict(rules or self.rule_store.rows)
        self.book._ids.extend(range(1, 1001))
        self.pool.used = 28
        self.evaluator.look()
