"""An append-only log in segments: a record is acknowledged when it is on disk, and a torn end is left out when it is read again.

A record in a file: length (4 bytes), CRC-32 of number and payload (4 bytes), number (8 bytes), payload. Numbers grow. One process owns
the folder through a file lock; the lock's file keeps the greatest number of what was forgotten. Blocking: call it in one thread.
"""

import contextlib
import fcntl
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dashboard_app.model.errors import StartRefused

_HEAD = struct.Struct("<IIQ")
_NUMBER = struct.Struct("<Q")
SEGMENT_BYTES = 4 * 1024 * 1024
"""A segment past this size is followed by a new one, so that trimming deletes files instead of rewriting them."""


@dataclass(frozen=True, slots=True)
class Record:
    """One entry. `number` orders all of them."""

    number: int
    payload: bytes


@dataclass(slots=True)
class _Segment:
    """One file, its size and its greatest number."""

    path: Path
    size: int
    last: int


class SegmentLog:
    """Appends with one write and one fdatasync per call; forgets whole segments once all they hold is settled."""

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        """No I/O before `open`."""
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._lock: int | None = None
        self._file: int | None = None
        self._segments: list[_Segment] = []
        self._next_name = 1
        self.last_number = 0
        """The greatest number that was ever in this log; known once it is open."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        return sum(segment.size for segment in self._segments)

    def open(self) -> list[Record]:
        """Take the lock and return every whole record that is left, in order.

        Raises:
            OSError: the folder cannot be read or written.
            StartRefused: a living process owns the folder.

        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = None
            raise StartRefused("another process owns the job journal") from None
        self.last_number = int.from_bytes(os.pread(self._lock, _NUMBER.size, 0), "little")
        records: list[Record] = []
        for path in sorted(self._folder.glob("*.seg")):
            found = list(read_records(path.read_bytes()))
            records += found
            self._segments.append(_Segment(path, path.stat().st_size, found[-1].number if found else 0))
            self._next_name = int(path.stem) + 1
        self.last_number = max([self.last_number, *(record.number for record in records)])
        return sorted(records, key=lambda record: record.number)

    def append(self, records: Iterable[Record]) -> None:
        """Return when all of them are on disk. A write that fails leaves nothing of them behind.

        Raises:
            OSError: the disk is full, or does not say that it has them. The next call starts a new segment.

        """
        data, last = bytearray(), 0
        for record in records:
            body = _NUMBER.pack(record.number) + record.payload
            data += _HEAD.pack(len(record.payload), zlib.crc32(body), record.number) + record.payload
            last = record.number
        if not data:
            return
        segment = self._current()
        try:
            self._write(data)
        except OSError:
            self._abandon(segment)
            raise
        segment.size += len(data)
        segment.last = max(segment.last, last)
        self.last_number = max(self.last_number, last)

    def rewrite(self, records: Iterable[Record]) -> None:
        """Keep these records instead of all there are. Killed in between, both are there: the same again, to no effect.

        Raises:
            OSError: the disk does not take them; what there was is still there.

        """
        old = list(self._segments)
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self.append(records)
        self._remember()
        for segment in old:
            segment.path.unlink(missing_ok=True)
            self._segments.remove(segment)

    def trim(self, before: int) -> None:
        """Forget records whose numbers are below `before`, as far as whole segments allow.

        Raises:
            OSError: a segment cannot be removed; it is replayed one day, to no effect.

        """
        kept = [segment for segment in self._segments if segment.last >= before]
        gone = [segment for segment in self._segments if segment.last < before]
        if gone:
            self._remember()
        for segment in gone:
            if self._file is not None and segment is self._segments[-1]:
                os.ftruncate(self._file, 0)
                segment.size, segment.last = 0, 0
                kept.append(segment)
            else:
                segment.path.unlink(missing_ok=True)
        self._segments = kept

    def close(self) -> None:
        """Let go of the folder; what is left waits for the next start."""
        for descriptor in (self._file, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._lock = None

    def _current(self) -> _Segment:
        """The segment that is written now, a new one when there is none or it is large enough."""
        if self._file is not None and self._segments[-1].size < self._segment_bytes:
            return self._segments[-1]
        path = self._folder / f"{self._next_name:012d}.seg"
        fresh = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._next_name += 1
        try:
            self._sync_folder()
        except OSError:
            os.close(fresh)
            with contextlib.suppress(OSError):  # an empty segment is read like none
                path.unlink()
            raise
        if self._file is not None:
            os.close(self._file)
        self._file = fresh
        self._segments.append(_Segment(path, 0, 0))
        return self._segments[-1]

    def _remember(self) -> None:
        """Keep the greatest number beside what is forgotten, so that numbers grow over restarts, whatever the clock says then."""
        assert self._lock is not None  # noqa: S101 - the log is open
        os.pwrite(self._lock, _NUMBER.pack(self.last_number), 0)

    def _write(self, data: bytearray) -> None:
        """All of `data`, on disk."""
        assert self._file is not None  # noqa: S101 - `_current` has just opened it
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        os.fdatasync(self._file)

    def _abandon(self, segment: _Segment) -> None:
        """Cut a failed write off and write no more to its file: after a failed sync nobody knows what the disk holds (fsyncgate)."""
        assert self._file is not None  # noqa: S101 - a write to it has just failed
        with contextlib.suppress(OSError):  # a disk that refuses this, too, is read up to its first damaged record
            os.ftruncate(self._file, segment.size)
        os.close(self._file)
        self._file = None

    def _sync_folder(self) -> None:
        """Make a new file's name as durable as its content."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read_records(data: bytes) -> Iterator[Record]:
    """The whole records of one segment, up to the first that is torn or damaged."""
    at = 0
    while at + _HEAD.size <= len(data):
        length, crc, number = _HEAD.unpack_from(data, at)
        payload = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(payload) < length or zlib.crc32(_NUMBER.pack(number) + payload) != crc:
            return
        yield Record(number, payload)
        at += _HEAD.size + length
