"""The setting_overrides table: what people changed while the app runs, in place of the values of its start."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.store.database import Database
from dashboard_app.store.tables import setting_overrides

_CHANGE = text(
    """
    WITH gone AS (DELETE FROM setting_overrides WHERE name = ANY (CAST(:resets AS text[])))
    INSERT INTO setting_overrides (name, value, changed_by, changed_at)
    SELECT name, value, :by, :at FROM unnest(CAST(:names AS text[]), CAST(:texts AS jsonb[])) AS changed (name, value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_by = excluded.changed_by, changed_at = excluded.changed_at
    """
)


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """One override as it is stored. `value` is plain JSON."""

    name: str
    value: Any
    changed_by: str
    changed_at: datetime


class SettingStore:
    """Named queries on `setting_overrides`. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    async def load(self) -> list[OverrideRow]:
        """Every override."""

        async def work(connection: AsyncConnection) -> list[OverrideRow]:
            rows = await connection.execute(select(setting_overrides))
            return [OverrideRow(row.name, row.value, row.changed_by, row.changed_at) for row in rows]

        return await self._database.on_control(work)

    async def change(self, values: Mapping[str, object], resets: Collection[str], *, by: str, at: datetime) -> None:
        """Set `values` and forget `resets`, all in one statement or nothing."""
        texts = [orjson.dumps(value).decode() for value in values.values()]

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(_CHANGE, {"resets": list(resets), "names": list(values), "texts": texts, "by": by, "at": at})

        await self._database.on_control(work)
