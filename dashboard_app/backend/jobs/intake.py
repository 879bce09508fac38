"""Updates on their way in: numbered, put on disk many at a time with one sync, acknowledged, passed on."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from dashboard_app.backend.jobs.entries import packed, unpacked
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import QueueFull, TryLater
from dashboard_app.model.job import JobStatus, JobUpdate
from dashboard_app.runtime.wake import Wake
from dashboard_app.store.segments import Record, SegmentLog

_log = logging.getLogger(__name__)
DISK_LIMIT_S = 5.0
"""How long somebody waits for the disk, and after which time to come again when it fails."""
_REOPEN_S = 1.0
_GROUP = 5000
_FULL_DISK = "The journal cannot be written: the disk is full or failing."
_STATUS = {status.value: status for status in JobStatus}
T = TypeVar("T")


@dataclass(slots=True)
class _HandedIn:
    """Updates of one call, and who waits for the disk; None: nobody."""

    updates: list[JobUpdate]
    on_disk: "asyncio.Future[None] | None"


class Intake:
    """Hands every update to `pass_on` once, in the order of their numbers; with a journal only after it is on disk.

    When the disk fails, who waits for it is refused, and what nobody waits for is passed on all the same: it lives in memory.
    """

    def __init__(self, journal: SegmentLog | None, clock: Clock, pass_on: Callable[[list[JobUpdate]], None]) -> None:
        """No I/O. `journal` None: updates are passed on at once."""
        self._journal, self._clock, self._pass_on = journal, clock, pass_on
        self._waiting: deque[_HandedIn] = deque()
        self._from_threads: deque[tuple[int, str, str | None]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_called = False
        self._bell = Wake(clock)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="job-journal")
        self._is_open = False
        self._seq = 0
        self._under_way = 0
        self.count = 0
        """Updates that were handed in and not passed on."""
        self.is_failing = False
        """True while the disk does not take updates."""

    def next_seq(self) -> int:
        """A number above all before it, over restarts, too: microseconds of the wall clock, or one more than the last."""
        self._seq = max(self._seq + 1, time.time_ns() // 1000)
        return self._seq

    def settled_below(self) -> int:
        """Every update with a smaller number has been passed on."""
        return self._under_way or (self._waiting[0].updates[0].seq if self._waiting and self._waiting[0].updates else self._seq + 1)

    def hand_in(self, updates: list[JobUpdate], *, wants_disk: bool) -> "asyncio.Future[None] | None":
        """Let the loop take these; a future that is done when they are on disk, for whoever wants that.

        Raises:
            TryLater: the disk has failed since the start, and somebody would wait for it.

        """
        if self._journal is None:
            self._pass_on(updates)
            return None
        if wants_disk and self.is_failing and not self._is_open:
            raise TryLater(_FULL_DISK, DISK_LIMIT_S)
        on_disk = asyncio.get_running_loop().create_future() if wants_disk else None
        self._waiting.append(_HandedIn(updates, on_disk))
        self.count += len(updates)
        self._bell.ring()
        return on_disk

    def hand_in_from_thread(self, job_id: int, status: str, error_message: str | None) -> None:
        """Take one update, judged before, from another thread. One wake-up of the loop serves all that come before it.

        Raises:
            QueueFull: the loop does not run.

        """
        loop = self._loop
        if loop is None:
            raise QueueFull
        self._from_threads.append((job_id, status, error_message))
        if not self._is_called:
            self._is_called = True
            loop.call_soon_threadsafe(self.collect)

    def collect(self) -> None:
        """Take over what threads have brought; the flag falls first, so that nothing waits unseen."""
        self._is_called = False
        while self._from_threads:
            updates: list[JobUpdate] = []
            while self._from_threads and len(updates) < _GROUP:
                job_id, status, message = self._from_threads.popleft()
                updates.append(JobUpdate(self.next_seq(), job_id, _STATUS[status], message))
            self.hand_in(updates, wants_disk=False)

    @property
    def thread_count(self) -> int:
        """Updates that threads have brought and the loop has not taken over."""
        return len(self._from_threads)

    async def passed(self) -> None:
        """Return when the journal has been read and all that was handed in before has been passed on.

        Raises:
            TryLater: the disk does not answer.

        """
        self.collect()
        is_read = self._is_open or self._journal is None
        if self._waiting or self._under_way or not is_read:
            await until_on_disk(self.hand_in([], wants_disk=True))

    async def run(self) -> None:
        """Replay the journal, then take updates until it is cancelled."""
        self._loop = asyncio.get_running_loop()
        try:
            while not self._is_open and self._journal is not None:
                await self._open(self._journal)
            while True:
                await self._bell.wait()
                while self._waiting:
                    await self._take()
        finally:
            self._loop = None

    async def forget(self, before: int) -> None:
        """Trim the journal: updates below `before` are written."""
        if self._journal is None or not self._is_open:
            return
        try:
            await self._on_disk(lambda: self._journal.trim(before) if self._journal else None)
        except OSError as failure:
            _log.warning("the job journal cannot be trimmed: %s", failure.strerror)

    async def close(self) -> None:
        """Let go of the journal, after `run` has ended; what is in it waits for the next start."""
        if self._journal is not None and self._is_open:
            await self._on_disk(self._journal.close)
        self._disk.shutdown(wait=False)

    @property
    def journal_bytes(self) -> int:
        """Bytes on disk; 0 without a journal."""
        return self._journal.size_bytes if self._journal is not None else 0

    async def _open(self, journal: SegmentLog) -> None:
        """Read the journal and pass on what it holds; a disk that refuses is asked again."""
        try:
            records = await self._on_disk(journal.open)
        except OSError as failure:
            self._fail(failure)
            await self._clock.sleep(_REOPEN_S)
            return
        left = [update for record in records for update in unpacked(record.payload)]
        self._seq = max(self._seq, max((update.seq for update in left), default=0))
        self._is_open, self.is_failing = True, False
        if left:
            _log.info("%d job status updates were on disk and are written now", len(left))
            self._pass_on(left)
        if self._waiting:
            self._bell.ring()

    async def _take(self) -> None:
        """Put all that waits on disk with one sync, pass it on, acknowledge it."""
        taken, self._waiting = list(self._waiting), deque()
        updates = [update for one in taken for update in one.updates]
        self._under_way = updates[0].seq if updates else 0
        try:
            if updates and self._journal is not None:
                await self._on_disk(lambda: self._journal.append([Record(updates[-1].seq, packed(updates))]) if self._journal else None)
                self.is_failing = False
        except OSError as failure:
            self._fail(failure)
            self._refuse(taken)
            return
        finally:
            self._under_way = 0
            self.count -= len(updates)
        self._pass_on(updates)
        for one in taken:
            if one.on_disk is not None and not one.on_disk.done():
                one.on_disk.set_result(None)

    def _refuse(self, taken: list[_HandedIn]) -> None:
        """The disk has failed: who waits for it hears so; what nobody waits for goes on in memory."""
        for one in taken:
            if one.on_disk is None:
                self._pass_on(one.updates)
            elif not one.on_disk.done():
                one.on_disk.set_exception(TryLater(_FULL_DISK, DISK_LIMIT_S))

    def _fail(self, failure: OSError) -> None:
        """Note that the disk fails; the first time in the log."""
        if not self.is_failing:
            _log.error("the job journal cannot be written: %s", failure.strerror)
        self.is_failing = True

    async def _on_disk(self, work: Callable[[], T]) -> T:
        """What blocking work gives, done in the journal's own thread."""
        return await asyncio.get_running_loop().run_in_executor(self._disk, work)


async def until_on_disk(on_disk: "asyncio.Future[None] | None") -> None:
    """Wait for the disk, but not for ever.

    Raises:
        TryLater: it failed, or does not answer.

    """
    if on_disk is None:
        return
    try:
        async with asyncio.timeout(DISK_LIMIT_S):
            await on_disk
    except TimeoutError:
        raise TryLater("The journal does not answer.", DISK_LIMIT_S) from None
