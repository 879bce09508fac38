"""What a lane is given and what it tells: how to read, how far it is, how its last round went."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from dashboard_app.console.client.reading import ReadHow


class Read(Protocol):
    """Reads one source and keeps the value; False: the answer shows a source that hangs."""

    def __call__(self, source_id: int, how: ReadHow) -> Awaitable[bool]:
        """Read."""


class ReadMany(Protocol):
    """Reads several sources by one request and keeps the values; gives the ids that need no reading by themselves."""

    def __call__(self, source_ids: Sequence[int], how: ReadHow) -> Awaitable[frozenset[int]]:
        """Read."""


@dataclass(frozen=True, slots=True)
class LaneProgress:
    """The round in progress, or the last: `done` of `total` sources. `reason` says why it is slow or stands, "" when it does not."""

    done: int
    total: int
    in_flight: int
    reason: str
    slow: int = 0
    """Sources in the slow lane; they count as done."""
    at_once: int = 0
    """How many requests the adaptive window keeps under way; 0 by the batched plan."""


@dataclass(frozen=True, slots=True)
class RoundReport:
    """A round that has ended."""

    started_at: datetime
    ended_at: datetime
    duration_s: float
    failed: int
