"""Every stored value that is encrypted, wherever it lies: for giving all of them to another key."""

from dataclasses import dataclass

from sqlalchemy import Column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.store.database import Database
from dashboard_app.store.tables import metadata

PAGE = 500
_MARK = "_encrypted"


@dataclass(frozen=True, slots=True)
class Sealed:
    """One of them. `place`: table and column."""

    place: str
    id: int
    value: bytes


class SealedStore:
    """Named queries. All raise DatabaseUnavailable when the database does not answer in time."""

    def __init__(self, database: Database) -> None:
        """No I/O."""
        self._database = database

    def places(self) -> list[str]:
        """Where they lie: each column whose name ends so, of every table."""
        return sorted(_columns())

    async def page(self, place: str, after: int = 0) -> list[Sealed]:
        """Up to 500 of one place with ids above `after`, in their order."""
        column = _columns()[place]
        key = column.table.c.id
        wanted = select(key, column).where(column.is_not(None), key > after).order_by(key).limit(PAGE)

        async def work(connection: AsyncConnection) -> list[Sealed]:
            return [Sealed(place, row[0], bytes(row[1])) for row in await connection.execute(wanted)]

        return await self._database.on_control(work)

    async def replace(self, old: Sealed, value: bytes) -> bool:
        """True when it is `value` from now on; False: somebody has changed it meanwhile, and that stays."""
        column = _columns()[old.place]
        key = column.table.c.id
        change = update(column.table).where(key == old.id, column == old.value).values({column: value}).returning(key)

        async def work(connection: AsyncConnection) -> bool:
            return (await connection.execute(change)).one_or_none() is not None

        return await self._database.on_control(work)


def _columns() -> dict[str, Column[bytes]]:
    """By table and name."""
    return {str(column): column for table in metadata.sorted_tables for column in table.columns if column.name.endswith(_MARK)}
