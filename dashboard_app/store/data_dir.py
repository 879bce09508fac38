"""The folder that holds what Spillway keeps: who owns it, and files that only their owner reads."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from dashboard_app.model.errors import StartRefused

_OWNER_ONLY = 0o600
_OWNER_NAME_WAIT_S = 1.0


def prepare(data_dir: Path) -> Path:
    """The absolute path of `data_dir`, made when it was absent.

    Others may pass through it (the embedded server may run under another account) but not list it; each file in it is 0600.

    Raises:
        StartRefused: it cannot be made or written.

    """
    path = data_dir.expanduser().absolute()
    try:
        path.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise StartRefused(f"SPILLWAY_DATA_DIR={path}: cannot be made: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise StartRefused(f"SPILLWAY_DATA_DIR={path}: cannot be written by this user")
    return path


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step; mode 0600."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def open_lock(path: Path) -> IO[str]:
    """`path`, open for locking and for the name of its owner; made 0600 when absent."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, _OWNER_ONLY), "r+", encoding="utf-8")


@contextlib.contextmanager
def exclusively(path: Path) -> Iterator[None]:
    """Hold the lock on `path` alone; waits for whoever holds it. For short work only."""
    with open_lock(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def owned(data_dir: Path) -> Iterator[Path]:
    """Own `data_dir` as the one app on it, until the block or the process ends, however it ends.

    Raises:
        StartRefused: another app owns it; the message names that app's pid.

    """
    path = prepare(data_dir)
    with open_lock(path / "app.lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartRefused(f"SPILLWAY_DATA_DIR={path}: in use by the Spillway with pid {_owner_of(lock)}") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield path
        lock.truncate(0)


def owner(data_dir: Path) -> int | None:
    """The pid of the app that owns `data_dir`; None when none runs."""
    path = data_dir.expanduser().absolute() / "app.lock"
    if not path.exists():
        return None
    with open_lock(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            name = _owner_of(lock)
            return int(name) if name.isdigit() else None
    return None


def _owner_of(lock: IO[str]) -> str:
    """The pid in a held lock. It is written just after the lock is taken, so a moment's wait may be needed."""
    deadline = time.monotonic() + _OWNER_NAME_WAIT_S
    while time.monotonic() < deadline:
        lock.seek(0)
        if name := lock.read().strip():
            return name
        time.sleep(0.02)
    return "unknown"
