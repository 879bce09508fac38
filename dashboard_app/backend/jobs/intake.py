"""Updates on their way in: numbered, put on disk many at a time with one sync, acknowledged, passed on."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from dashboard_app.backend.jobs.entries import latest, packed
from dashboard_app.backend.jobs.neighbours import Queue
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
COMPACT_BYTES = 16 * 1024 * 1024
"""A journal past this size is written anew with what is not settled: while the database is away for hours, later updates replace earlier ones."""
_FULL_DISK = "The journal cannot be written: the disk is full or failing."
_STATUS = {status.value: status for status in JobStatus}
T = TypeVar("T")


@dataclass(slots=True)
class _HandedIn:
    """Updates of one call, and who waits for the disk; None: nobody. `is_passed`: they were passed on already."""

    updates: list[JobUpdate]
    on_disk: "asyncio.Future[None] | None"
    is_passed: bool = False


class Intake:
    """Passes every update on once, in the order of their numbers; what somebody waits for only after it is on disk.

    What nobody waits for goes to disk beside its way to the database. When the disk fails, who waits for it is refused, and what nobody
    waits for lives in memory.
    """

    def __init__(self, journal: SegmentLog | None, clock: Clock, queue: Queue) -> None:
        """No I/O. `journal` None: updates are passed on at once."""
        self._journal, self._clock, self._queue = journal, clock, queue
        self._pass_on = queue.pass_on
        self._waiting: deque[_HandedIn] = deque()
        self.fresh: deque[tuple[int, str, str | None]] = deque()
        """Judged and not numbered: append (job id, status, error message) from any thread while there is `room`, then `call`."""
        self.room = 0
        """How many may be in `fresh`, as far as was known at the last look."""
        self.is_called = False
        """True once the loop will look into `fresh`."""
        self.loop: asyncio.AbstractEventLoop | None = None
        """Where it runs; None: it does not run."""
        self.thread = 0
        """The loop's thread, once it runs."""
        self._compact_at = COMPACT_BYTES
        self._bell = Wake(clock)
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="job-journal")
        self._is_open = False
        self._seq = 0
        self._under_way = 0
        self.unpassed = 0
        """Updates that were handed in and not passed on."""
        self.count = 0
        """Updates that were handed in and neither are on disk nor were refused."""
        self.is_failing = False
        """True while the disk does not take updates."""

    def number(self, wanted: Iterable[tuple[int, str, str | None]]) -> list[JobUpdate]:
        """Updates with numbers above all before them, over restarts, too: microseconds of the wall clock, or one more than the last."""
        first = max(self._seq + 1, time.time_ns() // 1000)
        updates = [JobUpdate(seq, job_id, _STATUS[status], message) for seq, (job_id, status, message) in enumerate(wanted, first)]
        self._seq = max(self._seq, first + len(updates) - 1)
        return updates

    def settled_below(self) -> int:
        """Every update with a smaller number has been passed on."""
        return self._under_way or next((one.updates[0].seq for one in self._waiting if one.updates), self._seq + 1)

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
        is_passed = not wants_disk and not self.unpassed and self._is_open
        self._waiting.append(_HandedIn(updates, on_disk, is_passed))
        self.count += len(updates)
        if is_passed:
            self._pass_on(updates)
        else:
            self.unpassed += len(updates)
        self._bell.ring()
        return on_disk

    def call(self) -> None:
        """Let the loop look into `fresh` soon; from any thread. One call serves all that come before it is answered.

        Raises:
            QueueFull: it does not run.

        """
        if self.loop is None:
            raise QueueFull
        self.is_called = True
        self.loop.call_soon_threadsafe(self.collect)

    def collect(self) -> None:
        """Number what is fresh; the flag falls first, so that nothing waits unseen."""
        self.is_called = False
        take = self.fresh.popleft
        while count := min(len(self.fresh), _GROUP):
            self.hand_in(self.number([take() for _ in range(count)]), wants_disk=False)
        self.look()

    def look(self) -> None:
        """See how much room there is for what is fresh; none before it runs."""
        self.room = 0 if self.loop is None else self.spare()

    def spare(self) -> int:
        """How many more may be handed in: as many as the queue takes, and no more than twice the queue on their way to the disk."""
        queue_max, free = self._queue.room()
        return min(free - self.unpassed, 2 * queue_max - self.count)

    async def synced(self) -> None:
        """Return when all that was handed in before is on disk.

        Raises:
            TryLater: the disk does not answer.

        """
        if self.count:
            await until_on_disk(self.hand_in([], wants_disk=True))

    async def passed(self) -> None:
        """Return when the journal has been read and all that was handed in before has been passed on.

        Raises:
            TryLater: the disk does not answer.

        """
        self.collect()
        is_read = self._is_open or self._journal is None
        if self.unpassed or not is_read:
            await until_on_disk(self.hand_in([], wants_disk=True))

    async def run(self) -> None:
        """Replay the journal, then take updates until it is cancelled."""
        self.loop, self.thread = asyncio.get_running_loop(), threading.get_ident()
        self.look()
        try:
            while not self._is_open and self._journal is not None:
                await self._open(self._journal)
            while True:
                await self._bell.wait()
                while self._waiting:
                    await self._take()
        finally:
            self.loop = None

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
            left = await self._on_disk(lambda: latest(record.payload for record in journal.open()))
        except OSError as failure:
            self._fail(failure)
            await self._clock.sleep(_REOPEN_S)
            return
        self._renumber_above(journal.last_number)
        self._is_open, self.is_failing = True, False
        if left:
            _log.info("Updates of %d jobs were on disk and are written now", len(left))
            self._pass_on(left)
        if self._waiting:
            self._bell.ring()

    def _renumber_above(self, last: int) -> None:
        """What was handed in before the journal was read comes after what is in it, even if the clock was set back."""
        waiting = [update for one in self._waiting for update in one.updates]
        if not waiting or waiting[0].seq > last:
            self._seq = max(self._seq, last)
            return
        for seq, update in enumerate(waiting, last + 1):
            update.seq = seq
        self._seq = last + len(waiting)

    async def _take(self) -> None:
        """Put all that waits on disk with one sync, pass it on, acknowledge it."""
        taken, self._waiting = list(self._waiting), deque()
        updates = [update for one in taken for update in one.updates]
        self._under_way = updates[0].seq if updates else 0
        try:
            if updates and self._journal is not None:
                record = Record(updates[-1].seq, packed({update.job_id: update for update in updates}.values()))
                await self._on_disk(lambda: self._journal.append([record]) if self._journal else None)
                self.is_failing = False
        except OSError as failure:
            self._fail(failure)
            self._refuse(taken)
            return
        finally:
            self._under_way = 0
            self.count -= len(updates)
        self._pass_on_all(taken)
        for one in taken:
            if one.on_disk is not None and not one.on_disk.done():
                one.on_disk.set_result(None)
        if not self._waiting and self._queue.is_empty():
            await self.forget(self.settled_below())
        if self._journal is not None and self._journal.size_bytes > self._compact_at:
            await self._compact(self._journal)

    async def _compact(self, journal: SegmentLog) -> None:
        """Write the journal anew with what is not settled; nothing is appended meanwhile."""
        left = self._queue.unsettled()
        last = self._seq
        try:
            await self._on_disk(lambda: journal.rewrite(Record(last, packed(left[at : at + _GROUP])) for at in range(0, len(left), _GROUP)))
        except OSError as failure:
            self._fail(failure)
        self._compact_at = max(COMPACT_BYTES, 2 * journal.size_bytes)

    def _pass_on_all(self, taken: list[_HandedIn]) -> None:
        """Pass on, in order, what was not yet."""
        updates = [update for one in taken if not one.is_passed for update in one.updates]
        self.unpassed -= len(updates)
        self._pass_on(updates)

    def _refuse(self, taken: list[_HandedIn]) -> None:
        """The disk has failed: who waits for it hears so; what nobody waits for goes on in memory."""
        for one in taken:
            if one.on_disk is not None:
                self.unpassed -= len(one.updates)
                if not one.on_disk.done():
                    one.on_disk.set_exception(TryLater(_FULL_DISK, DISK_LIMIT_S))
        self._pass_on_all([one for one in taken if one.on_disk is None])

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
