"""What a returning reader of a stream is owed."""

from collections.abc import Sequence
from typing import Protocol


class Numbered(Protocol):
    """A message with its number and that of the message before it."""

    @property
    def id(self) -> int:
        """Grows."""

    @property
    def follows(self) -> int:
        """The number of the message before it, 0 for the very first."""


def index_after(ids: Sequence[int], oldest_follows: int, last_id: int) -> int | None:
    """Where in `ids` (ascending) a reader goes on who has read `last_id`; None when what it has missed is not all there.

    Somebody who has read the message before the oldest has missed nothing. A number that was never given out, or one that is gone, owes a
    reset. `oldest_follows` is the number before the first of `ids`; without any ids it is the last one given out.
    """
    if last_id == oldest_follows:
        return 0
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high) // 2
        if ids[middle] < last_id:
            low = middle + 1
        else:
            high = middle
    return low + 1 if low < len(ids) and ids[low] == last_id else None


def unbroken(messages: Sequence[Numbered]) -> int:
    """How many messages at the end of `messages` (ascending) follow each other without a hole."""
    count = min(len(messages), 1)
    while count < len(messages) and messages[-count].follows == messages[-count - 1].id:
        count += 1
    return count
