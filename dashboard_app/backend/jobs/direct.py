"""Job updates written past the queue: when too many wait, or without batching."""

from collections.abc import Awaitable, Callable, Sequence

from dashboard_app.model.errors import DatabaseUnavailable, TryLater
from dashboard_app.model.job import JobUpdate
from dashboard_app.store.jobs import Refusal


class DirectWrites:
    """The caller waits for the database, which is the back-pressure. Counts what came of it since the start."""

    def __init__(self, commit: Callable[[Sequence[JobUpdate]], Awaitable[list[Refusal]]]) -> None:
        """`commit` writes one update per job and gives back what is refused."""
        self._commit = commit
        self.accepted = self.written = self.superseded = self.dead = 0

    async def write(self, updates: Sequence[JobUpdate], most: int, tell: Callable[[list[JobUpdate]], None]) -> None:
        """Write updates, the last of each job, `most` by one statement; they are accepted when they are committed, and `tell` hears of them.

        Raises:
            TryLater: the database does not take them; those of the statement that failed and all after it were not accepted.

        """
        last = list({update.job_id: update for update in updates}.values())
        for first in range(0, len(last), most):
            part = last[first : first + most]
            try:
                refused = await self._commit(part)
            except DatabaseUnavailable as away:
                raise TryLater("Too many updates wait, and the database does not take them.", max(away.retry_after_s, 1.0)) from away
            self.accepted += len(part)
            self.written += len(part) - len(refused)
            self.dead += len(refused)
            tell(part)
        self.accepted += len(updates) - len(last)
        self.superseded += len(updates) - len(last)
