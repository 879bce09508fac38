"""Audit rows on disk, written by a thread of their own. A disk that refuses is no error here: the table is left to rely on."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from dashboard_app.access.audit_words import payload_of, row_of
from dashboard_app.store.audit import AuditRow
from dashboard_app.store.journal import Journal

JOURNAL_FOLDER = "audit-journal"
BEGUN = "begun"
"""The result of an act under way. It is on disk only: a process that dies leaves it to the next, which writes it as UNKNOWN."""
UNKNOWN = "unknown"


class AuditJournal:
    """The rows that are not known to be in the table."""

    def __init__(self, data_dir: Path) -> None:
        """No I/O before `open`."""
        self._lines = Journal(data_dir / JOURNAL_FOLDER)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit-journal")
        self._is_open = False

    async def open(self) -> list[AuditRow]:
        """The rows that other processes left, an act that had begun as UNKNOWN; none when it is open already or the disk refuses."""
        if self._is_open:
            return []
        try:
            entries = await asyncio.get_running_loop().run_in_executor(self._thread, self._lines.open)
        except OSError:
            return []
        self._is_open = True
        rows = [row_of(payload) for payload in entries.values()]
        return [replace(row, result=UNKNOWN) if row.result == BEGUN else row for row in rows]

    async def append(self, row: AuditRow) -> bool:
        """True when the row is on disk."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._lines.append, row.uuid.hex, payload_of(row))
        except OSError:
            return False
        return True

    async def forget(self, rows: Sequence[AuditRow]) -> None:
        """Drop rows that are in the table; when the disk refuses they are written again one day, to no effect."""
        keys = [row.uuid.hex for row in rows]
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._lines.forget, keys)
        except OSError:
            return

    async def close(self) -> None:
        """Let go of the file; what is in it waits for the next start."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._lines.close)
        self._thread.shutdown(wait=False)
