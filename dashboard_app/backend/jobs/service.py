"""Jobs as the API and the CLI see them: made, listed, updated, and what could not be written."""

from collections.abc import Sequence
from typing import Any

from dashboard_app.backend.jobs.figures import Step, UpdaterFigures
from dashboard_app.backend.jobs.updater import Updater
from dashboard_app.model.errors import NotFound
from dashboard_app.model.job import DeadLetter, Job, JobStatus, NewJob
from dashboard_app.store.jobs import JobStore, StatusCounts

FLUSH_LIMIT_S = 10.0


class Jobs:
    """One door to store and updater. Calls that read or make rows take a connection: ask the guard for a place first."""

    def __init__(self, store: JobStore, updater: Updater) -> None:
        """No I/O."""
        self._store = store
        self.updater = updater

    async def add(self, jobs: Sequence[NewJob]) -> list[int]:
        """The ids of new pending jobs, in the order given. Raises InvalidInput for a value PostgreSQL cannot keep."""
        return await self._store.add(jobs) if jobs else []

    async def page(self, *, status: str, kind: str, limit: int, before: int | None) -> list[Job]:
        """Jobs with smaller ids than `before`, newest first."""
        return await self._store.page(status=status, kind=kind, limit=limit, before=before)

    async def counts(self) -> StatusCounts:
        """How many jobs are in each status."""
        return await self._store.counts()

    async def accept(self, updates: Sequence[tuple[int, JobStatus, str | None]]) -> None:
        """Return when the updates are on disk. Raises TryLater."""
        await self.updater.accept(updates)

    async def flush(self) -> int:
        """How many updates were queued, once their rows are committed. Raises TryLater after 10 s."""
        return await self.updater.flush(FLUSH_LIMIT_S)

    def figures(self) -> UpdaterFigures:
        """The ledger."""
        return self.updater.figures()

    def past(self) -> list[Step]:
        """What was written in the last ten minutes, in steps of 5 s."""
        return self.updater.past()

    async def dead_letters(self, *, limit: int, before: int | None) -> list[DeadLetter]:
        """Updates that the database refused, newest first."""
        return await self._store.dead_letters(limit=limit, before=before)

    async def retry(self, letter_id: int) -> DeadLetter:
        """Accept a dead letter's update once more; the letter goes when the update is on disk. Raises NotFound, TryLater."""
        letter = await self._store.dead_letter(letter_id)
        if letter is None:
            raise NotFound(f"There is no dead letter {letter_id}")
        await self.accept([(letter.update.job_id, letter.update.status, letter.update.error_message)])
        await self._store.take_dead_letter(letter_id)
        return letter

    async def discard(self, letter_id: int) -> DeadLetter:
        """Forget a dead letter. Raises NotFound."""
        letter = await self._store.take_dead_letter(letter_id)
        if letter is None:
            raise NotFound(f"There is no dead letter {letter_id}")
        return letter

    async def take(self, kind: str, count: int) -> list[tuple[int, Any]]:
        """Up to `count` pending jobs of `kind`, now processing and the caller's: (id, payload)."""
        return await self._store.take(kind, count)
