"""Who did what to what. A row is on disk before anything else happens to it, and in the table as soon as the database takes it."""

import asyncio
import json
import logging
import math
import re
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy.exc import DBAPIError

from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.model.secret import MASK, Secret
from dashboard_app.model.user import Principal
from dashboard_app.store.audit import AuditFilter, AuditRow, AuditStore
from dashboard_app.store.database import Database
from dashboard_app.store.journal import Journal

__all__ = ["Audit", "AuditRow"]

_LOG = logging.getLogger(__name__)
JOURNAL_FOLDER = "audit-journal"
WAIT_FOR_TABLE_S = 0.4
"""How long `record` waits for the row to be in the table; after that it is in the journal, which is as good."""
RETRY_S = 1.0
MAX_WAITING = 20_000
"""Rows that may wait for the database; when as many wait, an act that must be recorded is refused."""
_BATCH = 500
_RECENT = 1_000
_MAX_TEXT = 500
_MAX_DETAILS = 8_000
_SECRET_NAME = re.compile(r"password|secret|token|credential|cookie|authorization", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s@/]+@")


class Audit:
    """The record of acts. `record` and `page` work while the database is away."""

    def __init__(self, database: Database, data_dir: Path, clock: Clock) -> None:
        """No I/O; the journal opens with the first row or `start`."""
        self._database = database
        self._store = AuditStore(database)
        self._clock = clock
        self._journal = Journal(data_dir / JOURNAL_FOLDER)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="audit-journal")
        self._is_open = False
        self._waiting: dict[UUID, AuditRow] = {}
        self._recent: deque[AuditRow] = deque(maxlen=_RECENT)
        self._drain: asyncio.Task[None] | None = None
        self.is_reachable = True
        """False while the database is known to be away: then nobody waits for it."""

    async def start(self) -> None:
        """Open the journal, take over what other processes left, write it, and remember the newest rows."""
        await self._open()
        try:
            newest = await self._store.page(AuditFilter(), _RECENT)
        except DatabaseUnavailable:
            self.is_reachable = False
        else:
            self._recent.clear()
            self._recent.extend(reversed(newest))
        await self._try_to_write(WAIT_FOR_TABLE_S)

    async def record(
        self,
        principal: Principal,
        action: str,
        target: str,
        result: str = "ok",
        *,
        request_id: str = "",
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Return when the row is on disk, and in the table unless the database is away or slow (0.4 s).

        Secrets in `details` become dots: `Secret` values, passwords in URLs, and members named like one.

        Raises:
            DatabaseUnavailable: too many rows wait already, or neither disk nor database takes the row. Then nothing may be done.

        """
        if len(self._waiting) >= MAX_WAITING:
            raise DatabaseUnavailable("The audit journal is full; acts that must be recorded wait for the database.", 5)
        row = AuditRow(
            uuid=uuid4(),
            at=self._clock.now(),
            actor=_text(principal.name),
            actor_kind=principal.kind.value,
            action=_text(action),
            target=_text(target),
            result=_text(result),
            request_id=_text(request_id),
            details=masked_details(details or {}),
        )
        on_disk = await self._append(row)
        self._waiting[row.uuid] = row
        await self._try_to_write(WAIT_FOR_TABLE_S)
        if not on_disk and row.uuid in self._waiting:
            del self._waiting[row.uuid]
            raise DatabaseUnavailable("Neither the disk nor the database takes the audit row.", 5)

    async def page(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> list[AuditRow]:
        """Rows, newest first, at most `limit`. Rows that are only in the journal come first, on the first page, with id None.

        The next page starts before the smallest id of this one. While the database is away the newest 1,000 rows are served
        from memory.

        Raises:
            DatabaseUnavailable: a page is asked for that is older than what memory holds.

        """
        wanted = AuditFilter(actor, action, since, until, before)
        try:
            written = await self._written(wanted, limit)
        except DatabaseUnavailable:
            written = self._from_memory(wanted, limit)
        known = {row.uuid for row in written}
        waiting = [row for row in reversed(self._waiting.values()) if wanted.takes(row) and row.uuid not in known]
        return (waiting + written)[:limit]

    @property
    def waiting_count(self) -> int:
        """Rows that are in the journal and not in the table."""
        return len(self._waiting)

    async def run(self) -> None:
        """Write what waits whenever the database is back; cancelled by the supervisor."""
        while True:
            await self._clock.sleep(RETRY_S)
            await self.keep_up()

    async def keep_up(self) -> None:
        """One turn of `run`: ask whether the database is back, and write what waits."""
        if not self.is_reachable:
            try:
                await self._database.ping()
            except DatabaseUnavailable:
                return
            self.is_reachable = True
        await self._try_to_write(WAIT_FOR_TABLE_S)

    async def close(self) -> None:
        """Try once more to write what waits, then let go of the journal; the rest waits there for the next start."""
        if self._waiting and self.is_reachable:
            await self._try_to_write(2 * WAIT_FOR_TABLE_S)
        if self._drain is not None:
            self._drain.cancel()
            await asyncio.wait({self._drain}, timeout=WAIT_FOR_TABLE_S)
        await asyncio.get_running_loop().run_in_executor(self._disk, self._journal.close)
        self._disk.shutdown(wait=False)

    async def _written(self, wanted: AuditFilter, limit: int) -> list[AuditRow]:
        """Rows of the table. Raises DatabaseUnavailable, at once while the database is known to be away."""
        if not self.is_reachable:
            raise DatabaseUnavailable
        try:
            return await self._store.page(wanted, limit)
        except DatabaseUnavailable:
            self.is_reachable = False
            raise

    def _from_memory(self, wanted: AuditFilter, limit: int) -> list[AuditRow]:
        """The newest known rows that are wanted. Raises DatabaseUnavailable when `before` is older than all of them."""
        oldest = self._recent[0].id if self._recent else None
        if wanted.before is not None and (oldest is None or wanted.before <= oldest):
            raise DatabaseUnavailable("Older rows can be read when the database is back.")
        return list(islice((row for row in reversed(self._recent) if wanted.takes(row)), limit))

    async def _open(self) -> None:
        """Open the journal once and take its rows in; a disk that refuses leaves the table alone to rely on."""
        if self._is_open:
            return
        try:
            entries = await asyncio.get_running_loop().run_in_executor(self._disk, self._journal.open)
        except OSError:
            return
        self._is_open = True
        for payload in entries.values():
            row = _row_of(payload)
            self._waiting[row.uuid] = row

    async def _append(self, row: AuditRow) -> bool:
        """True when the row is on disk."""
        await self._open()
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, self._journal.append, row.uuid.hex, _payload_of(row))
        except OSError:
            return False
        return True

    async def _try_to_write(self, limit_s: float) -> None:
        """Return when all that waits is written, or after `limit_s`; at once while the database is known to be away."""
        if not self.is_reachable or not self._waiting:
            return
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._write_all(), name="audit-drain")
        await asyncio.wait({self._drain}, timeout=limit_s)

    async def _write_all(self) -> None:
        """Move rows from the journal to the table until none waits or the database fails."""
        size = _BATCH
        while self._waiting:
            batch = list(islice(self._waiting.values(), size))
            try:
                written = await self._store.insert(batch)
            except DatabaseUnavailable:
                self.is_reachable = False
                return
            except DBAPIError:
                if size == 1:
                    self._set_aside(batch[0])
                size = 1  # one by one, to find the row that the table refuses
                continue
            for row in written:
                self._waiting.pop(row.uuid, None)
            self._recent.extend(written)
            await self._forget(written)

    def _set_aside(self, row: AuditRow) -> None:
        """Leave a row that the table refuses in the journal, where a person finds it, so that it holds up no other."""
        del self._waiting[row.uuid]
        _LOG.error("the audit table refuses row %s; it stays in the journal", row.uuid)

    async def _forget(self, rows: Sequence[AuditRow]) -> None:
        """Drop written rows from the journal; when the disk refuses they are written again one day, to no effect."""
        keys = [row.uuid.hex for row in rows]
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, self._journal.forget, keys)
        except OSError:
            return


def masked_details(details: Mapping[str, object]) -> dict[str, object]:
    """`details` as JSON values without secrets, cut to 8,000 characters."""
    clean = {_text(str(key)): MASK if _SECRET_NAME.search(str(key)) else _clean(value) for key, value in details.items()}
    if len(json.dumps(clean)) > _MAX_DETAILS:
        return {"cut": json.dumps(clean)[:_MAX_DETAILS]}
    return clean


def _clean(value: object) -> object:
    """One value for JSON."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Mapping):
        return masked_details(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    return _text(str(value), _MAX_DETAILS)


def _text(value: str, limit: int = _MAX_TEXT) -> str:
    """`value` without NUL, lone surrogates and passwords in URLs, cut to `limit` characters."""
    clean = value.replace("\x00", "").encode("utf-8", "replace").decode()
    return _URL_PASSWORD.sub(rf"\1{MASK}@", clean)[:limit]


def _payload_of(row: AuditRow) -> bytes:
    """A row as one line of the journal."""
    return json.dumps(asdict(row), default=str, separators=(",", ":")).encode()


def _row_of(payload: bytes) -> AuditRow:
    """A line of the journal as a row."""
    values = json.loads(payload)
    return AuditRow(**{**values, "uuid": UUID(values["uuid"]), "at": datetime.fromisoformat(values["at"]), "id": None})
