"""Ingestion with 16 threads: each takes pending jobs, works, and reports by the same call it always used. The batching is the lines marked so.

Jobs are taken with FOR UPDATE SKIP LOCKED, so any number of such processes work side by side. `update_job_status` returns at once; the
updater writes what has gathered in one statement on one connection, journal first.
"""

import asyncio
import contextlib
import hashlib
import logging
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dashboard_app.backend.events.broadcaster import Broadcaster, Publisher
from dashboard_app.backend.events.remote import RemotePublisher
from dashboard_app.backend.guard import ControlView, PoolGuard
from dashboard_app.backend.jobs.updater import Updater
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.model.job import JobStatus, JobUpdate
from dashboard_app.model.secret import Secret
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.settings import Settings
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.database import APPLICATION_NAME, Database
from dashboard_app.store.jobs import JobStore
from dashboard_app.store.segments import SegmentLog

KIND = os.environ.get("WORKER_KIND", "document")
THREADS = 16
TAKEN_AT_ONCE = 20
PAUSE_S = 0.5
"""How long a thread that found nothing waits before it asks again."""
TAKE_LIMIT_S = 15.0
LIMITS = BatchLimits(size=50, age_s=2.0, most=5000, waiting_most=10_000)
TOLD = {JobStatus.PROCESSING: "JOB_STARTED", JobStatus.COMPLETED: "JOB_COMPLETED", JobStatus.ERROR: "JOB_FAILED"}
_log = logging.getLogger("worker")


class Worker:
    """One process: a pool with its guard, an updater with its journal, and threads that work."""

    def __init__(self, url: str, folder: Path, publisher: Publisher | None = None) -> None:
        """No I/O. `folder` holds the journal; a second process needs another one. `publisher` None: nobody is told of what is written."""
        address = DatabaseAddress.from_url(url)
        self._database = Database(lambda: address, Settings.model_validate({"data_dir": folder}))
        self._guard = PoolGuard(self._database.engine, server=ControlView(self._database.control, APPLICATION_NAME))
        self._store = JobStore(self._database, self._guard.running)
        self._updater = Updater(self._store, self._guard, SystemClock(), LIMITS, journal=SegmentLog(folder / "journal"))  # batching, 1 of 3
        self._updater.on_written = self._written
        self._broadcaster = None if publisher is None else Broadcaster("ingestion-worker", publisher=publisher)
        self._is_over = threading.Event()

    async def run(self) -> None:
        """Work until SIGTERM or Ctrl-C; then finish what was taken and write what was reported."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._is_over.set)
        running = [asyncio.create_task(self._guard.run()), asyncio.create_task(self._updater.run())]  # batching, 2 of 3
        with ThreadPoolExecutor(THREADS, thread_name_prefix="worker") as threads:
            await asyncio.gather(*(loop.run_in_executor(threads, self._work, loop) for _ in range(THREADS)))
        await self._updater.close()  # batching, 3 of 3
        for task in running:
            task.cancel()
        await asyncio.wait(running)
        await self._updater.release()
        await self._database.close()

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        """One thread: take some, do them, ask again."""
        while not self._is_over.is_set():
            taken = self._taken(loop)
            for job_id, payload in taken:
                self._do(job_id, payload)
            if not taken:
                self._is_over.wait(PAUSE_S)

    def _taken(self, loop: asyncio.AbstractEventLoop) -> Sequence[tuple[int, Any]]:
        """Pending jobs that are this thread's now; none while the database is away."""
        try:
            return asyncio.run_coroutine_threadsafe(self._store.take(KIND, TAKEN_AT_ONCE), loop).result(TAKE_LIMIT_S)
        except (DatabaseUnavailable, TimeoutError):
            _log.warning("no jobs can be taken now")
            return ()

    def _do(self, job_id: int, payload: Any) -> None:
        """The work itself, and its two reports."""
        report = self._updater.update_job_status
        report(job_id, "processing")
        document = payload.get("text")
        if not isinstance(document, str):
            report(job_id, "error", "the payload has no text")
            return
        hashlib.sha256(document.encode()).hexdigest()
        report(job_id, "completed")

    def _written(self, updates: list[JobUpdate]) -> None:
        """Rows that are committed, and only those: who listens is told now, one event a job, gathered and combined on the way."""
        _log.info("%d statuses are written", len(updates))
        if self._broadcaster is not None:
            for update in updates:
                self._broadcaster.publish(TOLD[update.status], job_id=update.job_id)


def _publisher() -> "contextlib.AbstractContextManager[Publisher | None]":
    """Spillway at WORKER_SPILLWAY_URL, by an operator's token; nobody without that address."""
    url = os.environ.get("WORKER_SPILLWAY_URL")
    return RemotePublisher(url, Secret(os.environ["WORKER_SPILLWAY_TOKEN"])) if url else contextlib.nullcontext()


def main() -> None:
    """Start with WORKER_DATABASE_URL and WORKER_FOLDER."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    folder = Path(os.environ.get("WORKER_FOLDER", "worker-data"))
    with contextlib.suppress(KeyboardInterrupt), _publisher() as publisher:
        asyncio.run(Worker(os.environ["WORKER_DATABASE_URL"], folder, publisher).run())


if __name__ == "__main__":
    main()
