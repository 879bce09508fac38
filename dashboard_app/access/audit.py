"""Who did what to what. A row is on disk before anything else happens to it, and in the table as soon as the database takes it."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy.exc import DBAPIError

from dashboard_app.access.audit_chain import AuditChain
from dashboard_app.access.audit_journal import BEGUN, AuditJournal
from dashboard_app.access.audit_words import clean_text, masked_details
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DatabaseUnavailable, SpillwayError
from dashboard_app.model.user import Principal
from dashboard_app.store.audit import AuditFilter, AuditRow, AuditStore
from dashboard_app.store.database import Database

_LOG = logging.getLogger(__name__)
WAIT_FOR_TABLE_S = 0.4
"""How long `record` waits for the row to be in the table; after that it is in the journal, which is as good."""
RETRY_S = 1.0
MAX_WAITING = 20_000
"""Rows that may wait for the database; when as many wait, an act that must be recorded is refused."""
_BATCH = 500
_RECENT = 1_000


class Audit:
    """The record of acts. `record` and `page` work while the database is away."""

    def __init__(self, database: Database, data_dir: Path, clock: Clock) -> None:
        """No I/O; the journal opens with the first row or `start`."""
        self._database = database
        self._store = AuditStore(database)
        self._clock = clock
        self._journal = AuditJournal(data_dir)
        self.chain = AuditChain(self._store, data_dir)
        self._waiting: dict[UUID, AuditRow] = {}
        self._begun: dict[UUID, AuditRow] = {}
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
        await self._keep(self._row(principal, action, target, result, request_id=request_id, details=details))

    @asynccontextmanager
    async def act(
        self, principal: Principal, action: str, target: str, *, request_id: str = "", details: Mapping[str, object] | None = None
    ) -> AsyncIterator[dict[str, object]]:
        """Record what the block does: that it begins before it does, and how it ended when it has ended, as one row in all.

        The block may add to the details; "target" among them takes the place of `target`. The result is "ok", the code of the
        error that ended the block, or "failed".

        Raises:
            DatabaseUnavailable: nobody takes the row; then the block does not begin.

        """
        begun = self._row(principal, action, target, BEGUN, request_id=request_id, details=details)
        if await self._append(begun):
            self._begun[begun.uuid] = begun
        else:
            await self._keep(replace(begun, uuid=uuid4()))  # the disk is full: the table holds the beginning, and the end as another row
        noted: dict[str, object] = {"target": target, **(details or {})}
        result = "failed"
        try:
            yield noted
            result = "ok"
        except SpillwayError as error:
            result = error.code
            raise
        finally:
            named = str(noted.pop("target"))
            ended = replace(begun, target=clean_text(named), result=clean_text(result), details=masked_details(noted))
            await self._keep(ended, is_begun=self._begun.pop(begun.uuid, None) is not None)

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
        unwritten = [*self._waiting.values(), *self._begun.values()]
        waiting = [row for row in reversed(unwritten) if wanted.takes(row) and row.uuid not in known]
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
        await self._note_head()

    async def close(self) -> None:
        """Try once more to write what waits, then let go of the journal; the rest waits there for the next start."""
        if self._waiting and self.is_reachable:
            await self._try_to_write(2 * WAIT_FOR_TABLE_S)
        if self._drain is not None:
            self._drain.cancel()
            await asyncio.wait({self._drain}, timeout=WAIT_FOR_TABLE_S)
        await self._note_head()
        await self._journal.close()

    def _row(
        self, principal: Principal, action: str, target: str, result: str, *, request_id: str, details: Mapping[str, object] | None
    ) -> AuditRow:
        """A new row. Raises DatabaseUnavailable when too many wait already."""
        if len(self._waiting) + len(self._begun) >= MAX_WAITING:
            raise DatabaseUnavailable("The audit journal is full; acts that must be recorded wait for the database.", 5)
        return AuditRow(
            uuid=uuid4(),
            at=self._clock.now(),
            actor=clean_text(principal.name),
            actor_kind=principal.kind.value,
            action=clean_text(action),
            target=clean_text(target),
            result=clean_text(result),
            request_id=clean_text(request_id),
            details=masked_details(details or {}),
        )

    async def _keep(self, row: AuditRow, *, is_begun: bool = False) -> None:
        """Return when the row is on disk or in the table. `is_begun`: its beginning is on disk; a disk that fails now loses its end only.

        Raises:
            DatabaseUnavailable: neither takes it.

        """
        on_disk = await self._append(row)
        self._waiting[row.uuid] = row
        await self._try_to_write(WAIT_FOR_TABLE_S)
        if not on_disk and not is_begun and row.uuid in self._waiting:
            del self._waiting[row.uuid]
            raise DatabaseUnavailable("Neither the disk nor the database takes the audit row.", 5)

    async def _note_head(self) -> None:
        """Remember how far the chain has come."""
        try:
            if self.is_reachable:
                await self.chain.note()
        except DatabaseUnavailable:
            self.is_reachable = False

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
        """Open the journal once and take its rows in."""
        for row in await self._journal.open():
            self._waiting[row.uuid] = row

    async def _append(self, row: AuditRow) -> bool:
        """True when the row is on disk."""
        await self._open()
        return await self._journal.append(row)

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
            await self._journal.forget(written)

    def _set_aside(self, row: AuditRow) -> None:
        """Leave a row that the table refuses in the journal, where a person finds it, so that it holds up no other."""
        del self._waiting[row.uuid]
        _LOG.error("the audit table refuses row %s; it stays in the journal", row.uuid)
