"""What the parts of the updater ask of each other, and of store and guard."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Protocol

from dashboard_app.model.job import JobUpdate
from dashboard_app.store.jobs import Refusal


class Queue(Protocol):
    """What comes behind the disk."""

    def pass_on(self, updates: list[JobUpdate]) -> None:
        """Take updates that are on disk."""

    def room(self) -> tuple[int, int]:
        """How many may wait there, and how many more may."""

    def is_empty(self) -> bool:
        """Has it written all that it was passed?"""

    def unsettled(self) -> list[JobUpdate]:
        """What it was passed and has not written."""


class JobWriter(Protocol):
    """The database's side."""

    async def write(self, updates: Sequence[JobUpdate]) -> list[Refusal]:
        """Write one update per job; gives back what the database refuses."""

    async def set_aside(self, refusals: Sequence[Refusal]) -> None:
        """Keep what is refused as dead letters."""


class Pool(Protocol):
    """What the updater asks of the pool guard."""

    def admission(self) -> AbstractAsyncContextManager[None]:
        """A place for database work."""

    def holding(self, *, task: str = "", route: str = "", exempt: str = "") -> AbstractContextManager[None]:
        """Name the checkouts inside."""
