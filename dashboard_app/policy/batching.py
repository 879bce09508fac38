"""Is a batch due: by size, by age, or because somebody asked.

Size and age are triggers, not sizes: what has gathered when a batch is taken goes along, up to `most`. So a batch under way lets the
next one grow, and the slower the receiver, the larger the batches (natural batching).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch goes and how large it may be.

    `size`: items that make it due at once. `age_s`: seconds after which the oldest item makes it due. `most`: items one batch
    carries. `waiting_most`: items that may wait beside the batch under way. All at least 1, `age_s` above 0.
    """

    size: int
    age_s: float
    most: int
    waiting_most: int


def due_at(limits: BatchLimits, count: int, oldest_at: float, now: float) -> float | None:
    """The monotonic time at which `count` waiting items, the oldest since `oldest_at`, become a batch; None when none waits."""
    if count < 1:
        return None
    return now if count >= limits.size else oldest_at + limits.age_s


def pause_s(failures: int, first_s: float, longest_s: float) -> float:
    """How long to wait after so many failures in a row: doubled each time from `first_s` on, at most `longest_s`."""
    return min(first_s * 2.0 ** min(failures - 1, 30), longest_s)
