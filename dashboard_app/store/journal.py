"""A small journal on disk: what is appended survives a crash, until it is forgotten. Blocking: call it in a thread.

A line is `crc32 key payload`. Each process writes a file of its own, locked while it lives; whoever opens the folder takes over the
files that nobody holds, so that nothing waits in the file of a process that is gone.
"""

import fcntl
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from uuid import uuid4

COMPACT_AFTER = 1000
"""Forgotten lines in the file before it is written anew."""


class Journal:
    """Entries by key. Not safe for two threads at once; `append` returns when the entry is on disk."""

    def __init__(self, folder: Path) -> None:
        """No I/O before `open`."""
        self._folder = folder
        self._file: int | None = None
        self._path = folder / f"{os.getpid()}-{uuid4().hex[:12]}.log"
        self._live: dict[str, bytes] = {}
        self._forgotten = 0

    def open(self) -> dict[str, bytes]:
        """The entries left by processes that are gone, now in this process's file, oldest first. Raises OSError."""
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = _locked(self._path)
        for path in sorted(self._folder.glob("*.log"), key=lambda found: found.stat().st_mtime):
            if path != self._path:
                self._take_over(path)
        return dict(self._live)

    def append(self, key: str, payload: bytes) -> None:
        """Return when the entry is on disk (fdatasync). `key` has no blank, `payload` no line end. Raises OSError."""
        self._write({key: payload})

    def forget(self, keys: Iterable[str]) -> None:
        """Drop entries; the file shrinks when none is left or many are dropped. Raises OSError."""
        for key in keys:
            self._forgotten += self._live.pop(key, None) is not None
        if self._file is None or not self._forgotten:
            return
        if not self._live:
            os.ftruncate(self._file, 0)
            self._forgotten = 0
        elif self._forgotten >= COMPACT_AFTER:
            self._rewrite()

    def close(self) -> None:
        """Let go of the file; an empty one is removed, another waits for the next process."""
        if self._file is None:
            return
        if not self._live:
            self._path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = None

    def _write(self, entries: dict[str, bytes]) -> None:
        """Append entries in one write and one fdatasync; a failed write leaves no half line behind."""
        if self._file is None:
            raise OSError("the journal is not open")
        end = os.fstat(self._file).st_size
        data = b"".join(_line(key, payload) for key, payload in entries.items())
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, end)
            raise
        self._live.update(entries)

    def _rewrite(self) -> None:
        """Write the living entries to a new file and put it in place of the old one."""
        fresh = self._folder / f"{os.getpid()}-{uuid4().hex[:12]}.log"
        old_file, old_path, live = self._file, self._path, self._live
        self._file, self._path, self._live, self._forgotten = _locked(fresh), fresh, {}, 0
        self._write(live)
        old_path.unlink(missing_ok=True)
        if old_file is not None:
            os.close(old_file)

    def _take_over(self, path: Path) -> None:
        """Move the entries of a file that nobody holds into ours."""
        try:
            other = _locked(path)
        except (BlockingIOError, FileNotFoundError):
            return
        try:
            entries = dict(read_entries(path.read_bytes()))
            if entries:
                self._write(entries)
            path.unlink(missing_ok=True)
        finally:
            os.close(other)


def read_entries(data: bytes) -> list[tuple[str, bytes]]:
    """The whole entries in `data`, in order; a torn or damaged line is left out, the rest is read."""
    entries = []
    for line in data.split(b"\n"):
        crc, _, rest = line.partition(b" ")
        key, blank, payload = rest.partition(b" ")
        if blank and crc == _crc(rest):
            entries.append((key.decode(), payload))
    return entries


def _line(key: str, payload: bytes) -> bytes:
    """One entry as it stands in the file."""
    rest = key.encode() + b" " + payload
    return _crc(rest) + b" " + rest + b"\n"


def _crc(data: bytes) -> bytes:
    """CRC-32 as eight hex digits."""
    return b"%08x" % zlib.crc32(data)


def _locked(path: Path) -> int:
    """A descriptor that appends to `path`, with the file's lock. Raises BlockingIOError when a living process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor
