"""The audit log as CSV: read and sent page by page, so that a long export holds neither memory nor a connection."""

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from dashboard_app.backend.api.answers import at, dumps

MOST_ROWS = 10_000
"""Rows of one export, the newest of what is asked for."""
PAGE_ROWS = 500
COLUMNS = ("at", "actor", "actor_kind", "action", "target", "result", "request_id", "details", "id")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

ReadPage = Callable[[int | None, int], Awaitable[Sequence[Any]]]
"""The page before an id (None: the newest), of at most so many rows."""


async def lines(read: ReadPage, first: Sequence[Any]) -> AsyncIterator[bytes]:
    """The head, `first`, and what follows it, newest first, one chunk a page; at most MOST_ROWS rows in all."""
    yield _written([COLUMNS])
    page, sent = first, 0
    while page:
        yield _written([_cells(row) for row in page])
        sent += len(page)
        known = [row.id for row in page if row.id is not None]
        if sent >= MOST_ROWS or not known or len(page) < PAGE_ROWS:
            return
        page = await read(min(known), min(PAGE_ROWS, MOST_ROWS - sent))


def _written(rows: Sequence[Sequence[str]]) -> bytes:
    """Rows as RFC 4180 has them."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cells(row: Any) -> list[str]:
    """One act; details stay JSON."""
    details = dumps(dict(row.details)).decode() if isinstance(row.details, Mapping) and row.details else ""
    told = (row.actor, str(row.actor_kind), row.action, row.target, row.result, row.request_id, details)
    return [at(row.at), *(_harmless(cell) for cell in told), "" if row.id is None else str(row.id)]


def _harmless(cell: str) -> str:
    """`cell`, never a formula to the program that opens it."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
