"""What became of every item that was given to a batcher."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchFigures:
    """A batcher in numbers since its start. `last_size` and `last_duration_s` are of the last batch that was sent."""

    waiting: int
    under_way: int
    oldest_s: float
    added_total: int
    sent_total: int
    superseded_total: int
    given_up_total: int
    refused_total: int
    batches_total: int
    failures_total: int
    is_failing: bool
    last_size: int
    last_duration_s: float


@dataclass(slots=True)
class BatchLedger:
    """Counts since the start; the batcher adds to them."""

    added: int = 0
    sent: int = 0
    superseded: int = 0
    given_up: int = 0
    refused: int = 0
    batches: int = 0
    failures: int = 0
    last_size: int = 0
    last_duration_s: float = 0.0

    def figures(self, *, waiting: int, under_way: int, oldest_s: float, is_failing: bool) -> BatchFigures:
        """The batcher in numbers."""
        return BatchFigures(
            waiting=waiting,
            under_way=under_way,
            oldest_s=oldest_s,
            added_total=self.added,
            sent_total=self.sent,
            superseded_total=self.superseded,
            given_up_total=self.given_up,
            refused_total=self.refused,
            batches_total=self.batches,
            failures_total=self.failures,
            is_failing=is_failing,
            last_size=self.last_size,
            last_duration_s=self.last_duration_s,
        )
