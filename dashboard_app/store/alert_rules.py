"""The rules that open alerts, as they are kept."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.alert import AlertRule, Operator, RuleSettings, Severity
from dashboard_app.model.errors import Conflict
from dashboard_app.store.database import Database
from dashboard_app.store.tables import alert_rules

RULES_AT_MOST = 200
"""Each rule is judged for each of its sources once a second."""


class AlertRuleStore:
    """Named queries on `alert_rules`, over the control pool. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    async def everything(self) -> list[AlertRule]:
        """All rules by id."""

        async def work(connection: AsyncConnection) -> list[AlertRule]:
            return [_rule(row) for row in await connection.execute(select(alert_rules).order_by(alert_rules.c.id))]

        return await self._database.on_control(work)

    async def add(self, settings: RuleSettings) -> AlertRule:
        """The new rule. Raises Conflict: the name is taken."""
        row = await self._write(insert(alert_rules).values(**_values(settings)).returning(alert_rules), settings.name)
        return _rule(row)

    async def change(self, rule_id: int, settings: RuleSettings) -> AlertRule | None:
        """The rule after the change, None when there is none. Raises Conflict: the name is taken."""
        statement = update(alert_rules).where(alert_rules.c.id == rule_id)
        statement = statement.values(**_values(settings), updated_at=func.clock_timestamp())
        row = await self._write(statement.returning(alert_rules), settings.name)
        return None if row is None else _rule(row)

    async def remove(self, rule_id: int) -> bool:
        """True when it was there and not built in."""
        statement = delete(alert_rules).where(alert_rules.c.id == rule_id, alert_rules.c.is_builtin.is_(False))
        return await self._write(statement.returning(alert_rules), "") is not None

    async def _write(self, statement: Any, name: str) -> Any:
        """The row that a statement returns, or None."""

        async def work(connection: AsyncConnection) -> Any:
            return (await connection.execute(statement)).one_or_none()

        try:
            return await self._database.on_control(work)
        except IntegrityError as error:
            raise Conflict(f"There is another rule named {name}") from error


def _values(settings: RuleSettings) -> Mapping[str, object]:
    """The columns that an admin sets."""
    return asdict(settings) | {"operator": settings.operator.value, "severity": settings.severity.value}


def _rule(row: Row[Any]) -> AlertRule:
    """A row as the model's word."""
    settings = RuleSettings(
        name=row.name,
        metric=row.metric,
        operator=Operator(row.operator),
        limit=row._mapping["limit"],  # noqa: SLF001 - a row has no attribute for a name that is a word of SQL
        recovers_at=row.recovers_at,
        severity=Severity(row.severity),
        scope=row.scope,
        for_s=row.for_s,
        enabled=row.enabled,
    )
    return AlertRule(row.id, settings, row.is_builtin, row.created_at, row.updated_at)
