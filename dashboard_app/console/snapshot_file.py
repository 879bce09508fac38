"""The snapshot on disk, so that a restart with the server away still shows the last known values."""

import asyncio
import logging
from pathlib import Path

import orjson

from dashboard_app.console.snapshot import Snapshot
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import BackendFailed
from dashboard_app.runtime.wake import Wake
from dashboard_app.runtime.whole_file import replace_file

_log = logging.getLogger(__name__)
SAVE_EVERY_S = 5.0
_LARGEST_BYTES = 64 * 1024 * 1024


class SnapshotFile:
    """Keeps `path` (mode 0600) at most SAVE_EVERY_S behind a snapshot; replaces it whole, so that it is never half written."""

    def __init__(self, path: Path, snapshot: Snapshot, clock: Clock) -> None:
        """Nothing is read or written yet."""
        self._path = path
        self._snapshot = snapshot
        self._clock = clock
        self._saved_version = snapshot.version
        self._changed = Wake(clock)
        snapshot.on_change(self._changed.ring)

    def load(self) -> bool:
        """Restore the snapshot; False when there is no file or it cannot be used (which is said in the log)."""
        try:
            self._snapshot.restore(orjson.loads(_content(self._path)))
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError, AttributeError, BackendFailed) as failure:
            _log.warning("the snapshot %s cannot be used: %s", self._path.name, type(failure).__name__)
            return False
        return True

    async def save(self) -> None:
        """Write the snapshot if it has changed since the last time; a full disk is logged and tried again later."""
        version = self._snapshot.version
        if version == self._saved_version:
            return
        content = orjson.dumps(self._snapshot.to_json(), option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)
        try:
            await asyncio.to_thread(replace_file, self._path, content)
        except OSError as failure:
            _log.warning("the snapshot could not be saved: %s", failure.strerror)
            return
        self._saved_version = version

    async def run(self) -> None:
        """Save after changes, SAVE_EVERY_S apart."""
        while True:
            await self._changed.wait()
            await self.save()
            await self._clock.sleep(SAVE_EVERY_S)


def _content(path: Path) -> bytes:
    """The whole file, unless it is larger than any snapshot can be."""
    if path.stat().st_size > _LARGEST_BYTES:
        raise ValueError("too large")
    return path.read_bytes()
