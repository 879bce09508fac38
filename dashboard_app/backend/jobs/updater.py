"""Job status updates: on disk before they are acknowledged, written many at a time, the last accepted of each job wins.

A call hands an update to the intake, which puts it on disk (that is the acknowledgement) and passes it to the batcher, which writes
it to the database. Only then may the journal forget it.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from operator import attrgetter

from dashboard_app.backend.jobs.direct import DirectWrites
from dashboard_app.backend.jobs.figures import Past, Step, UpdaterFigures
from dashboard_app.backend.jobs.intake import Intake, until_on_disk
from dashboard_app.backend.jobs.neighbours import JobWriter, Pool
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import InvalidInput, QueueFull, TryLater
from dashboard_app.model.job import LARGEST_JOB_ID, REASONS, JobStatus, JobUpdate, wrong_with
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.runtime.batcher import Batcher, RetryRule
from dashboard_app.store.jobs import Refusal
from dashboard_app.store.segments import SegmentLog

_log = logging.getLogger(__name__)
TASK = "jobs.updater"
_DRAIN_S = 5.0
_TOLD_EVERY_S = 1.0
_THREAD_WAITS_S = 10.0  # for a direct write, when too many wait
_RETRY = RetryRule(tries=None, first_s=0.25, longest_s=5.0)
_STATUS = {status.value: status for status in JobStatus}


class Updater:
    """One per process. `run` does the work; calls before it wait in memory."""

    def __init__(
        self, store: JobWriter, pool: Pool, clock: Clock, limits: BatchLimits, *, journal: SegmentLog | None, batching: bool = True
    ) -> None:
        """`journal` None: updates wait in memory only. `batching` False: each call is written by itself, at once."""
        self._store, self._pool, self._clock = store, pool, clock
        self._queue_max = limits.waiting_most
        self.is_batching = batching
        self._batcher: Batcher[JobUpdate] = Batcher(_roomy(limits), self._write, clock, key=attrgetter("job_id"), retry=_RETRY)
        self._intake = Intake(journal, clock, self)
        self._fresh = self._intake.fresh
        self._batch: tuple[int, int] | None = None
        self._dead = self._checkouts = self._fallbacks = 0
        self._direct = DirectWrites(self._commit)
        self._past = Past()
        self._trims: set[asyncio.Task[None]] = set()
        self._told_at = float("-inf")
        self.on_written: Callable[[list[JobUpdate]], None] = lambda _updates: None
        """Called with each batch once its rows are committed."""

    # ---- handing in

    async def aupdate_job_status(self, job_id: int, status: str, error_message: str | None = None, *, durable: bool = False) -> None:
        """Hand in a status from a task of the updater's loop; returns at once, or with `durable` when it is on disk.

        When too many wait, or without batching, it is written directly.

        Raises:
            InvalidInput: the update can never be written.
            TryLater: `durable`, and the disk does not take it now; or it would be written directly, and the database is away.

        """
        # An update without a message, by far the most frequent, is judged here: half of what the whole call costs.
        if not (
            error_message is None and type(job_id) is int and 0 < job_id <= LARGEST_JOB_ID and type(status) is str and status in _STATUS
        ):
            _judge(job_id, status, error_message)
        intake = self._intake
        if durable or len(self._fresh) >= intake.room:
            await self._with_care(job_id, _STATUS[status], error_message, durable=durable)
            return
        self._fresh.append((job_id, status, error_message))
        if not intake.is_called:
            intake.call()

    def update_job_status(self, job_id: int, status: str, error_message: str | None = None) -> None:
        """Hand in a status from any other thread; returns at once. When too many wait, or without batching, it is written directly.

        Raises:
            InvalidInput: the update can never be written.
            QueueFull: the updater does not run.
            TryLater: it would be written directly, and the database is away.

        """
        if not (
            error_message is None and type(job_id) is int and 0 < job_id <= LARGEST_JOB_ID and type(status) is str and status in _STATUS
        ):
            _judge(job_id, status, error_message)
        intake = self._intake
        if len(self._fresh) >= intake.room:
            self._with_care_from_thread(job_id, _STATUS[status], error_message)
            return
        self._fresh.append((job_id, status, error_message))
        if not intake.is_called:
            intake.call()

    async def _with_care(self, job_id: int, status: JobStatus, error_message: str | None, *, durable: bool) -> None:
        """Hand in an update that wants the disk, or for which there seems to be no room."""
        intake = self._intake
        intake.collect()
        if self.is_batching and intake.spare() < 1 and intake.count:
            with contextlib.suppress(TryLater):  # what waits for the disk may be for few jobs
                await intake.synced()
        if durable or intake.spare() < 1:
            await self.accept([(job_id, status, error_message)])
        else:
            intake.hand_in(intake.number([(job_id, status, error_message)]), wants_disk=False)
            intake.look()

    def _with_care_from_thread(self, job_id: int, status: JobStatus, error_message: str | None) -> None:
        """The same from another thread, which waits: that is the back-pressure."""
        loop = self._intake.loop
        if loop is None or self._intake.thread == threading.get_ident():
            raise QueueFull
        done = asyncio.run_coroutine_threadsafe(self._with_care(job_id, status, error_message, durable=False), loop)
        try:
            done.result(_THREAD_WAITS_S)
        except TimeoutError:
            done.cancel()
            raise QueueFull from None

    async def accept(self, wanted: Sequence[tuple[int, JobStatus, str | None]]) -> None:
        """Return when these updates, judged before, are on disk, in this order. When too many wait they are written directly.

        Raises:
            TryLater: the disk does not take them now, or too many wait and the database does not take them either. Then those
                of the last statement that failed, and all after them, were not accepted.

        """
        if not wanted:
            return
        intake = self._intake
        intake.collect()
        updates = intake.number(wanted)
        if not self.is_batching or self.queued + len(updates) > self._queue_max:
            await self._direct.write(updates, self._batcher.limits.most, self.on_written)
            self._fallbacks += len(updates) if self.is_batching else 0
        else:
            await until_on_disk(intake.hand_in(updates, wants_disk=True))

    def pass_on(self, updates: list[JobUpdate]) -> None:
        """Give accepted updates to the batcher; it has room for all that may wait."""
        add = self._batcher.add
        for update in updates:
            add(update)
        self._intake.look()

    def room(self) -> tuple[int, int]:
        """How many may wait, and how many more may; none without batching."""
        return self._queue_max, self._queue_max - self._batcher.waiting_count if self.is_batching else 0

    def is_empty(self) -> bool:
        """Is all written that was passed on?"""
        return not self._batcher.waiting_count

    def unsettled(self) -> list[JobUpdate]:
        """What was passed on and is not written."""
        return self._batcher.left()

    # ---- database

    async def run(self) -> None:
        """Take and write updates until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._batcher.run(), name="job-batches")
            group.create_task(self._intake.run(), name="job-intake")

    async def _write(self, updates: list[JobUpdate]) -> None:
        """Write one batch, set aside what the database refuses, and let the journal forget all that is settled.

        Raises:
            DatabaseUnavailable: the database is away; the same batch is tried again.

        """
        if self._batch is None or self._batch[0] != id(updates):
            is_all = self._batcher.figures().waiting == 0
            self._batch = (id(updates), self._intake.settled_below() if is_all else 0)
        began = time.perf_counter()
        refused = await self._commit(updates)
        self._tell(len(updates), time.perf_counter() - began)
        (_, settled), self._batch = self._batch, None
        if settled:
            trim = asyncio.create_task(self._intake.forget(settled))
            self._trims.add(trim)
            trim.add_done_callback(self._trims.discard)
        self.on_written(updates)
        self._dead += len(refused)  # last: the batcher counts the batch in the same turn, so that the ledger adds up at every moment

    async def _commit(self, updates: Sequence[JobUpdate]) -> list[Refusal]:
        """Write updates on one checkout; those refused are dead letters when it returns."""
        async with self._pool.admission():
            with self._pool.holding(task=TASK):
                self._checkouts += 1
                refused = await self._store.write(updates)
                if refused:
                    self._checkouts += 1
                    await self._store.set_aside(refused)
        return refused

    def _tell(self, size: int, took_s: float) -> None:
        """One line per batch for whoever greps; above one a second the others at debug."""
        now = self._clock.monotonic()
        self._past.note(now, size, took_s)
        is_due = now - self._told_at >= _TOLD_EVERY_S
        self._told_at = now if is_due else self._told_at
        _log.log(logging.INFO if is_due else logging.DEBUG, "Batch updated %d job statuses in %.3fs", size, took_s)

    # ---- asking and ending

    async def flush(self, limit_s: float) -> int:
        """How many updates were queued, once their rows are committed.

        Raises:
            TryLater: DeadlinePassed, or the disk does not answer; nothing is lost.

        """
        await self._intake.passed()
        return await self._batcher.flush(limit_s)

    async def close(self) -> None:
        """While `run` still runs: write what waits for at most 5 s; the rest is in the journal for the next start."""
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self.flush(_DRAIN_S)
        except (TryLater, TimeoutError):
            _log.warning("%d job status updates wait in the journal for the next start", self.queued)

    async def release(self) -> None:
        """Let go of the journal, after `run` has ended."""
        if self._trims:
            await asyncio.wait(self._trims, timeout=_DRAIN_S)
        await self._intake.close()

    def retune(self, limits: BatchLimits, *, batching: bool) -> None:
        """Go by other limits from now on."""
        self._queue_max, self.is_batching = limits.waiting_most, batching
        self._batcher.retune(_roomy(limits))
        self._intake.look()

    @property
    def queued(self) -> int:
        """Updates that wait for the disk or for the database."""
        return self._intake.unpassed + self._batcher.waiting_count

    def past(self) -> list[Step]:
        """What was written in the last ten minutes."""
        return self._past.steps(self._clock.monotonic())

    def figures(self) -> UpdaterFigures:
        """The ledger and what stands beside it."""
        batches = self._batcher.figures()
        return UpdaterFigures(
            accepted_total=batches.added_total + self._direct.accepted,
            written_total=batches.sent_total - self._dead + self._direct.written,
            superseded_total=batches.superseded_total + self._direct.superseded,
            queued=batches.waiting + batches.under_way,
            dead_letter_total=self._dead + self._direct.dead,
            batches_total=batches.batches_total,
            checkouts_total=self._checkouts,
            fallbacks_total=self._fallbacks,
            last_size=batches.last_size,
            last_duration_ms=round(batches.last_duration_s * 1000, 3),
            journal_bytes=self._intake.journal_bytes,
            oldest_s=batches.oldest_s,
            level="journal_failed" if self._intake.is_failing else "waiting" if batches.is_failing else "ok",
            is_batching=self.is_batching,
        )


def _judge(job_id: object, status: object, error_message: object) -> None:
    """Raise InvalidInput when an update can never be written."""
    if word := wrong_with(job_id, status, error_message):
        raise InvalidInput(REASONS[word])


def _roomy(limits: BatchLimits) -> BatchLimits:
    """The batcher's limits: the updater counts what waits itself, so that what was accepted always has room."""
    return BatchLimits(limits.size, limits.age_s, limits.most, 2**62)
