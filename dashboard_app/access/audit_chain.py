"""Is the audit whole? Walks its chain of hashes, and remembers on disk how far it had come, so that a cut end shows, too.

The chain alone tells of a row that was changed, put in or taken out. It does not tell of rows missing at its end, nor of a chain
that was counted anew from some row on: for that this machine keeps the newest row that it has seen, outside the database.
"""

import asyncio
import hashlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from dashboard_app.runtime.whole_file import replace_file
from dashboard_app.store.audit import AuditStore, Head

_LOG = logging.getLogger(__name__)
HEAD_FILE = "audit-head"
_PAGE = 1_000
_HEAD = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a walk found: `problem` "" means that every row is as it was written. `head` is the last row read."""

    rows: int
    head: Head
    problem: str = ""
    broken_at: int | None = None

    @property
    def is_whole(self) -> bool:
        """True when nothing was found."""
        return not self.problem


class AuditChain:
    """Checks the chain, and keeps the newest row seen in `DATA_DIR/audit-head`."""

    def __init__(self, store: AuditStore, data_dir: Path) -> None:
        """No I/O."""
        self._store = store
        self._path = data_dir / HEAD_FILE
        self._noted: Head | None = None
        self._is_alarmed = False

    async def verify(self, expected: Head | None = None, *, newest: int | None = None) -> ChainReport:
        """Walk the chain, or its `newest` rows, and compare it with `expected`, else with what this machine has seen.

        Raises:
            DatabaseUnavailable: it does not answer.

        """
        seen = expected or await asyncio.to_thread(self._read)
        last = Head() if newest is None else await self._store.head(skip=newest)
        rows, met = 0, seen is None or seen.id <= last.id
        while links := await self._store.links(last.id, _PAGE):
            for link in links:
                if hashlib.sha256(last.hash + link.content).digest() != link.hash:
                    return ChainReport(rows, last, f"Row {link.id} is not as it was written, or the one before it is gone.", link.id)
                last, rows = Head(link.id, link.hash), rows + 1
                if seen is not None and link.id == seen.id:
                    met = True
                    if link.hash != seen.hash:
                        return ChainReport(rows, last, f"Row {link.id} is not the one that was there before.", link.id)
        if not met and seen is not None:
            return ChainReport(rows, last, f"Row {seen.id} was there before and is gone; the last one now is {last.id}.", seen.id)
        return ChainReport(rows, last)

    async def note(self) -> None:
        """Remember the newest row, unless the one remembered is not in the table any more: then say so, and keep it as a witness.

        Raises:
            DatabaseUnavailable: the database does not answer.

        """
        head = await self._store.head()
        if head == self._noted:
            return
        seen = self._noted or await asyncio.to_thread(self._read)
        if seen is not None and await self._store.hash_of(seen.id) != seen.hash:
            self._alarm(seen)
            return
        self._is_alarmed = False
        self._noted = head
        if head in (seen, Head()):
            return
        try:
            await asyncio.to_thread(replace_file, self._path, f"{told(head)}\n".encode())
        except OSError:
            _LOG.warning("%s cannot be written: rows missing at the end of the audit would not be noticed", self._path)

    def _alarm(self, seen: Head) -> None:
        """Log it once."""
        if not self._is_alarmed:
            self._is_alarmed = True
            _LOG.error("the audit was tampered with: row %d, which was there before, is gone or another one; run `audit verify`", seen.id)

    def _read(self) -> Head | None:
        """What the file says; None when there is none or it cannot be read."""
        try:
            return head_of(self._path.read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            return None


def told(head: Head) -> str:
    """A row of the chain as text, such as 120:5f3a… and 61 more digits, to be kept elsewhere."""
    return f"{head.id}:{head.hash.hex()}"


def head_of(text: str) -> Head:
    """The row that `told` wrote down. Raises ValueError."""
    found = _HEAD.fullmatch(text)
    if found is None:
        raise ValueError("a row of the chain looks like 120:5f3a… with 64 hex digits")
    return Head(int(found[1]), bytes.fromhex(found[2]))
