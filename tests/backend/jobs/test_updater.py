"""The updater: acknowledged means on disk, the last one wins, the ledger adds up, whatever the database and the disk do."""

import asyncio
import contextlib
import errno
import os
import threading
from unittest import mock

import pytest

from dashboard_app.backend.jobs import intake
from dashboard_app.backend.jobs.updater import Updater
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.errors import DatabaseUnavailable, InvalidInput, QueueFull, TryLater
from dashboard_app.model.job import JobStatus, JobUpdate
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.store.jobs import Refusal
from dashboard_app.store.segments import SegmentLog

LIMITS = BatchLimits(size=50, age_s=0.05, most=5000, waiting_most=10_000)
KNOWN = range(1, 1000)


class Table:
    """Rows as the database would keep them: an update counts when its number is above the row's. `away` True: it cannot be asked."""

    def __init__(self):
        self.rows = {}
        self.letters = []
        self.away = False
        self.statements = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def write(self, updates):
        await self.gate.wait()
        if self.away:
            raise DatabaseUnavailable
        self.statements += 1
        assert len({one.job_id for one in updates}) == len(updates)
        refused = []
        for one in updates:
            if one.job_id not in KNOWN:
                refused.append(Refusal(one, "unknown_job", f"Job {one.job_id} does not exist"))
            elif one.seq > self.rows.get(one.job_id, JobUpdate(0, 0, JobStatus.PENDING)).seq:
                self.rows[one.job_id] = one
        return refused

    async def set_aside(self, refusals):
        self.letters += refusals

    def status(self, job_id):
        return self.rows[job_id].status.value


class OpenPool:
    """A pool that admits everybody."""

    @contextlib.asynccontextmanager
    async def admission(self):
        yield

    def holding(self, *, task="", route="", exempt=""):
        return contextlib.nullcontext()


@contextlib.asynccontextmanager
async def running(table, folder=None, limits=LIMITS, **options):
    journal = SegmentLog(folder) if folder is not None else None
    updater = Updater(table, OpenPool(), SystemClock(), limits, journal=journal, **options)
    task = asyncio.create_task(updater.run())
    await _until(lambda: updater._intake.room if updater.is_batching else updater._intake.loop)
    try:
        yield updater
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await updater.release()


def adds_up(updater):
    now = updater.figures()
    assert now.accepted_total == now.written_total + now.superseded_total + now.queued + now.dead_letter_total, now
    return now


async def test_a_burst_is_written_in_few_statements_and_the_last_status_wins(tmp_path):
    table = Table()
    async with running(table, tmp_path) as updater:
        for status in (JobStatus.PROCESSING, JobStatus.COMPLETED):
            await updater.accept([(job_id, status, None) for job_id in KNOWN])
        assert adds_up(updater).accepted_total == 1998
        await updater.flush(5)
        figures = adds_up(updater)
    assert {row.status for row in table.rows.values()} == {JobStatus.COMPLETED}
    assert figures.written_total + figures.superseded_total == 1998
    assert figures.checkouts_total == figures.batches_total <= 3


async def test_acknowledged_updates_outlive_the_process(tmp_path):
    table = Table()
    table.away = True
    async with running(table, tmp_path) as updater:
        await updater.accept([(1, JobStatus.PROCESSING, None), (2, JobStatus.ERROR, "no such file ä")])
        await updater.accept([(1, JobStatus.COMPLETED, None)])
    table.away = False
    async with running(table, tmp_path) as updater:
        await updater.flush(5)
        adds_up(updater)
    assert table.status(1) == "completed"
    assert (table.status(2), table.rows[2].error_message) == ("error", "no such file ä")


async def test_a_replay_never_moves_a_job_backwards(tmp_path):
    table = Table()
    table.away = True
    async with running(table, tmp_path) as updater:
        await updater.accept([(1, JobStatus.PROCESSING, None)])
    table.rows[1] = JobUpdate(2**62, 1, JobStatus.COMPLETED)
    table.away = False
    async with running(table, tmp_path) as updater:
        await updater.flush(5)
    assert table.status(1) == "completed"


async def test_what_is_written_is_forgotten_on_disk(tmp_path):
    async with running(Table(), tmp_path) as updater:
        await updater.accept([(1, JobStatus.PROCESSING, None)])
        assert updater.figures().journal_bytes > 0
        await updater.flush(5)
        await _until(lambda: updater.figures().journal_bytes == 0)


async def _until(claim):
    async with asyncio.timeout(10):
        while not claim():  # noqa: ASYNC110 - what is waited for happens in the updater's own threads and statements
            await asyncio.sleep(0.005)


async def test_nothing_is_forgotten_that_came_while_a_batch_was_under_way(tmp_path):
    table = Table()
    async with running(table, tmp_path) as updater:
        table.gate.clear()
        await updater.accept([(1, JobStatus.PROCESSING, None)])
        await _until(lambda: updater._batcher.figures().under_way == 1)
        await updater.accept([(2, JobStatus.PROCESSING, None)])
        table.gate.set()
        await _until(lambda: 1 in table.rows)
        table.gate.clear()
    table.gate.set()
    async with running(table, tmp_path) as updater:
        await updater.flush(5)
    assert table.status(2) == "processing"


async def test_while_the_database_is_away_updates_wait_and_say_so(tmp_path):
    table = Table()
    table.away = True
    async with running(table, tmp_path) as updater:
        await updater.accept([(1, JobStatus.PROCESSING, None)])
        await _until(lambda: updater.figures().level == "waiting")
        assert adds_up(updater).queued == 1
        table.away = False
        await _until(lambda: 1 in table.rows)
        assert (adds_up(updater).level, updater.figures().queued) == ("ok", 0)


async def test_unknown_jobs_become_dead_letters_and_the_others_are_written(tmp_path):
    table = Table()
    async with running(table, tmp_path) as updater:
        await updater.accept([(job_id, JobStatus.ERROR, None) for job_id in (1, 2, 5000, 3, 5001)])
        await updater.flush(5)
        figures = adds_up(updater)
        assert (figures.written_total, figures.dead_letter_total) == (3, 2)
        assert (table.letters[0].update.job_id, table.letters[0].reason) == (5000, "Job 5000 does not exist")
        letter = table.letters[0].update
        await updater.accept([(letter.job_id, letter.status, letter.error_message)])
        await updater.flush(5)
        assert adds_up(updater).dead_letter_total == 3


async def test_a_full_queue_is_written_past_and_when_the_database_is_away_it_is_refused(tmp_path):
    table = Table()
    limits = BatchLimits(size=50, age_s=60, most=100, waiting_most=60)
    async with running(table, tmp_path, limits) as updater:
        table.gate.clear()
        await updater.accept([(job_id, JobStatus.PROCESSING, None) for job_id in range(1, 56)])
        await _until(lambda: updater._batcher.figures().under_way == 55)
        table.gate.set()
        await updater.accept([(job_id, JobStatus.COMPLETED, None) for job_id in (1, 1, 2, 3, 4, 5)])
        assert table.status(1) == "completed"
        assert adds_up(updater).fallbacks_total == 6
        await updater.flush(5)
        assert table.status(1) == "completed", "the older update that waited in the queue moves nothing backwards"
        table.away = True
        await updater.accept([(job_id, JobStatus.PROCESSING, None) for job_id in range(1, 60)])
        with pytest.raises(TryLater) as refused:
            await updater.accept([(1, JobStatus.PENDING, None), (2, JobStatus.PENDING, None)])
        assert refused.value.retry_after_s >= 1
        adds_up(updater)


@pytest.mark.parametrize("call", ["write", "fdatasync"])
async def test_a_full_or_failing_disk_refuses_keeps_what_is_old_and_heals(tmp_path, call):
    table = Table()
    table.away = True
    real, failures = getattr(os, call), []

    def failing(descriptor, *rest):
        if "job-journal" in threading.current_thread().name:
            failures.append(descriptor)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, *rest)

    async with running(table, tmp_path) as updater:
        await updater.accept([(1, JobStatus.PROCESSING, None)])
        with mock.patch.object(os, call, failing):
            with pytest.raises(TryLater, match="disk"):
                await updater.accept([(2, JobStatus.PROCESSING, None)])
            assert updater.figures().level == "journal_failed"
            failures.clear()
            await updater.aupdate_job_status(3, "processing")
            await _until(lambda: adds_up(updater).queued == 2 and failures)
        await updater.accept([(4, JobStatus.PROCESSING, None)])
        assert updater.figures().level != "journal_failed"
    table.away = False
    async with running(table, tmp_path) as updater:
        await updater.flush(5)
    assert set(table.rows) == {1, 4}, "2 was refused; 3 nobody waited for, so it lived in memory"


async def test_threads_and_tasks_hand_in_alike(tmp_path):
    table = Table()
    async with running(table, tmp_path) as updater:

        def bring(first):
            for job_id in range(first, 1000, 4):
                updater.update_job_status(job_id, "processing")
                updater.update_job_status(job_id, "completed", "done")

        await updater.aupdate_job_status(999, "error", durable=True)
        threads = [threading.Thread(target=bring, args=(first,)) for first in range(1, 5)]
        for thread in threads:
            thread.start()
        await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        await updater.flush(5)
        adds_up(updater)
    assert len(table.rows) == 999
    assert {row.status.value for row in table.rows.values()} == {"completed"}


@pytest.mark.parametrize(
    ("job_id", "status", "message"),
    [
        (0, "error", None),
        (-1, "error", None),
        (2**63, "error", None),
        (True, "error", None),
        ("1", "error", None),
        (1, "done", None),
        (1, None, None),
        (1, "error", 7),
        (1, "error", "a\x00b"),
        (1, "error", "\ud800"),
        (1, "error", "x" * 65_537),
    ],
)
async def test_what_can_never_be_written_is_refused_at_the_door(job_id, status, message):
    async with running(Table()) as updater:
        with pytest.raises(InvalidInput):
            await updater.aupdate_job_status(job_id, status, message)
        with pytest.raises(InvalidInput):
            updater.update_job_status(job_id, status, message)
        assert updater.queued == 0


async def test_when_too_many_wait_each_call_is_written_directly_and_refused_when_the_database_is_away(tmp_path):
    table = Table()
    table.away = True
    limits = BatchLimits(size=50, age_s=60, most=100, waiting_most=2)
    async with running(table, tmp_path, limits) as updater:
        await updater.aupdate_job_status(1, "error")
        await updater.aupdate_job_status(2, "error")
        with pytest.raises(TryLater):
            await updater.aupdate_job_status(3, "error")
        with pytest.raises(TryLater):
            await asyncio.to_thread(updater.update_job_status, 3, "error")
        with pytest.raises(QueueFull):
            updater.update_job_status(3, "error")  # on the loop's own thread it cannot wait
        table.away = False
        await updater.aupdate_job_status(3, "error")
        await asyncio.to_thread(updater.update_job_status, 4, "error")
        assert (set(table.rows), adds_up(updater).fallbacks_total) == ({3, 4}, 2)
    idle = Updater(table, OpenPool(), SystemClock(), LIMITS, journal=None)
    with pytest.raises(QueueFull):
        idle.update_job_status(1, "error")
    await idle.release()


async def test_many_updates_of_few_jobs_have_room_in_a_small_queue(tmp_path):
    table = Table()
    async with running(table, tmp_path, BatchLimits(50, 60, 5000, 10)) as updater:
        for number in range(100):
            await updater.aupdate_job_status(1 + number % 5, "error", str(number))
        await updater.flush(5)
        figures = adds_up(updater)
        assert (figures.accepted_total, figures.fallbacks_total) == (100, 0)
    assert [table.rows[job_id].error_message for job_id in range(1, 6)] == ["95", "96", "97", "98", "99"]


async def test_a_journal_stays_small_while_the_database_is_away_and_numbers_grow_over_restarts(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "COMPACT_BYTES", 2000)
    table = Table()
    table.away = True
    async with running(table, tmp_path) as updater:
        updater._intake._compact_at = 2000
        for number in range(500):
            await updater.accept([(1 + number % 3, JobStatus.ERROR, str(number))])
        assert adds_up(updater).journal_bytes <= 4100
    table.away = False
    async with running(table, tmp_path) as updater:
        await updater.flush(5)
        await _until(lambda: updater.figures().journal_bytes == 0)
    assert [table.rows[job_id].error_message for job_id in (1, 2, 3)] == ["498", "499", "497"]
    with mock.patch.object(intake.time, "time_ns", return_value=1_000_000):  # the clock was set back by decades
        async with running(table, tmp_path) as updater:
            await updater.accept([(1, JobStatus.COMPLETED, None)])
            await updater.flush(5)
    assert table.status(1) == "completed"


async def test_without_batching_each_call_is_one_statement(tmp_path):
    table = Table()
    async with running(table, tmp_path, batching=False) as updater:
        for job_id in (1, 2, 3):
            await updater.accept([(job_id, JobStatus.COMPLETED, None)])
        figures = adds_up(updater)
        assert (table.statements, figures.written_total, figures.fallbacks_total, figures.queued) == (3, 3, 0, 0)
        updater.retune(LIMITS, batching=True)
        await updater.accept([(4, JobStatus.COMPLETED, None)])
        assert updater.figures().queued == 1


async def test_without_batching_tasks_and_threads_write_directly_too(tmp_path):
    table = Table()
    async with running(table, tmp_path, batching=False) as updater:
        await updater.aupdate_job_status(1, "completed")
        await asyncio.to_thread(updater.update_job_status, 2, "completed")
        assert (table.statements, set(table.rows), adds_up(updater).queued) == (2, {1, 2}, 0)


async def test_at_the_end_what_waits_is_written(tmp_path):
    table = Table()
    async with running(table, tmp_path, BatchLimits(50, 60, 5000, 100)) as updater:
        await updater.accept([(1, JobStatus.COMPLETED, None)])
        await updater.close()
        assert table.status(1) == "completed"
