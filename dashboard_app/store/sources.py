"""The sources in the database: named queries, one statement each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Text,
    any_,
    case,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from dashboard_app.model.errors import Conflict
from dashboard_app.model.source import OWN_SOURCE_ID, Source, SourceKind
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.database import Database, unavailable_errors
from dashboard_app.store.tables import data_sources

OWN_NAME = "spillway"
"""The name of the built-in source, Spillway's own database."""
_STATUS_ORDER = ("unhealthy", "degraded", "unknown", "healthy")
_NAME_COLUMNS = ("name", "kind", "host", "environment", "created_at", "updated_at")
SORTS = frozenset(f"{sign}{name}" for sign in ("", "-") for name in (*_NAME_COLUMNS, "status"))


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A source and its password as it is stored; None: no password."""

    source: Source
    password_encrypted: bytes | None


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which sources, in which order. Empty text: no such filter. `statuses` is the last known status by id, others are unknown."""

    search: str = ""
    kind: str = ""
    status: str = ""
    tag: str = ""
    sort: str = "name"
    limit: int = 50
    offset: int = 0
    statuses: Mapping[int, str] | None = None


class SourceStore:
    """Reads and writes `data_sources`. Every call raises DatabaseUnavailable when the database is away."""

    def __init__(self, database: Database) -> None:
        """No I/O here."""
        self._database = database

    async def page(self, query: PageQuery) -> tuple[tuple[Source, ...], int]:
        """The sources of one page and how many match in all, in one statement on the guarded pool."""
        with unavailable_errors():
            async with self._database.engine.connect() as connection:
                rows = (await connection.execute(_page_statement(query))).all()
        return tuple(_source(row) for row in rows if row.id is not None), int(rows[0].total)

    async def everything(self) -> tuple[StoredSource, ...]:
        """Every source by id, over the control pool: the copy in memory stays fresh when the guarded pool is full."""
        with unavailable_errors():
            async with self._database.control.connect() as connection:
                rows = (await connection.execute(select(data_sources).order_by(data_sources.c.id))).all()
        return tuple(_stored(row) for row in rows)

    async def add(self, fields: Mapping[str, object]) -> StoredSource:
        """The new source.

        Raises:
            Conflict: another source has this name.

        """
        return _stored(await self._write(insert(data_sources).values(**fields).returning(data_sources), fields))

    async def change(self, source_id: int, fields: Mapping[str, object]) -> StoredSource | None:
        """The source after the change; None when there is no such source.

        Raises:
            Conflict: another source has this name.

        """
        statement = update(data_sources).where(data_sources.c.id == source_id)
        row = await self._write(statement.values(**fields, updated_at=func.clock_timestamp()).returning(data_sources), fields)
        return None if row is None else _stored(row)

    async def remove(self, source_id: int) -> bool:
        """True when the source was there; its samples go with it."""
        statement = delete(data_sources).where(data_sources.c.id == source_id).returning(data_sources.c.id)
        return await self._write(statement, {}) is not None

    async def put_own(self, address: DatabaseAddress) -> StoredSource:
        """Source 1 after it was made to follow `address`; name, tags, environment and enabled stay as they were set."""
        follows: dict[str, object] = {
            "host": address.host,
            "port": address.port,
            "database": address.database,
            "username": address.user,
            "options": {"sslmode": address.sslmode},
        }
        statement = insert(data_sources).values(id=OWN_SOURCE_ID, name=OWN_NAME, kind=SourceKind.POSTGRESQL.value, **follows)
        differs = or_(*(data_sources.c[name] != value for name, value in follows.items()))
        statement = statement.on_conflict_do_update(index_elements=["id"], set_={**follows, "updated_at": func.now()}, where=differs)
        with unavailable_errors():
            async with self._database.control.begin() as connection:
                await connection.execute(statement)
                await connection.execute(text("SELECT setval('data_sources_id_seq', 1) FROM data_sources_id_seq WHERE NOT is_called"))
                row = (await connection.execute(select(data_sources).where(data_sources.c.id == OWN_SOURCE_ID))).one()
        return _stored(row)

    async def _write(self, statement: Any, fields: Mapping[str, object]) -> Any:
        """The row that a statement returns, or None."""
        try:
            with unavailable_errors():
                async with self._database.engine.begin() as connection:
                    return (await connection.execute(statement)).one_or_none()
        except IntegrityError as error:
            raise Conflict(f"There is another source named {fields.get('name', 'so')}") from error


def _page_statement(query: PageQuery) -> Select[Any]:
    """One statement for rows and total: the total is there even when the page is empty."""
    known = query.statuses or {}
    last = (
        func.unnest(cast(list(known), ARRAY(BigInteger)), cast(list(known.values()), ARRAY(Text)))
        .table_valued("id", "status", name="last")
        .render_derived()
    )
    status = func.coalesce(last.c.status, "unknown")
    matching = (
        select(data_sources, status.label("status"))
        .select_from(data_sources.outerjoin(last, last.c.id == data_sources.c.id))
        .where(*_filters(query, status))
        .cte("matching")
    )
    page = select(matching).order_by(*_order(query.sort, matching.c)).limit(query.limit).offset(query.offset).subquery("page")
    total = select(func.count().label("total")).select_from(matching).subquery("counted")
    return select(total.c.total, page).select_from(total.outerjoin(page, true())).order_by(*_order(query.sort, page.c))


def _filters(query: PageQuery, status: ColumnElement[str]) -> list[ColumnElement[bool]]:
    """What a row must fulfil."""
    column, found = data_sources.c, []
    if query.search:
        in_tags = func.array_to_string(column.tags, "\n").icontains(query.search, autoescape=True)
        found.append(or_(*(c.icontains(query.search, autoescape=True) for c in (column.name, column.host)), in_tags))
    if query.kind:
        found.append(column.kind == query.kind)
    if query.tag:
        found.append(literal(query.tag) == any_(column.tags))
    if query.status:
        found.append(status == query.status)
    return found


def _order(sort: str, columns: Any) -> list[ColumnElement[Any]]:
    """`sort` as an order of rows that is total: name and id decide between equals. "status" begins with the worst."""
    name = sort.removeprefix("-")
    if name == "status":
        key: ColumnElement[Any] = case({word: rank for rank, word in enumerate(_STATUS_ORDER)}, value=columns.status, else_=literal(2))
    else:
        key = columns[name] if name.endswith("_at") else func.lower(columns[name])
    return [key.desc() if sort.startswith("-") else key, func.lower(columns.name), columns.id]


def _stored(row: Row[Any]) -> StoredSource:
    """A row with its stored password."""
    return StoredSource(_source(row), row.password_encrypted)


def _source(row: Row[Any]) -> Source:
    """A row as the model's word."""
    tags: Sequence[str] = row.tags
    return Source(
        row.id,
        row.name,
        SourceKind(row.kind),
        row.host,
        row.port,
        row.database,
        row.username,
        row.options,
        row.environment,
        tuple(tags),
        row.enabled,
        row.created_at,
        row.updated_at,
    )
