"""Who goes next in a queue with priorities, so that the urgent go first and nobody starves.

A waiter grows one priority more urgent with each step it has waited. So that a backlog of aged waiters cannot hold up what is
really urgent, no two starts in a row are given by age: an urgent newcomer waits one start longer at most, and an aged waiter gets
every second start at least.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """The waiter of one priority that has waited longest. A smaller `priority` is more urgent; `since` is monotonic."""

    priority: int
    since: float


def aged(head: Head, now: float, step_s: float) -> int:
    """The priority of `head` after its wait: one more urgent per whole `step_s`, at best 0."""
    return max(head.priority - int((now - head.since) / step_s), 0)


def next_of(heads: Sequence[Head], now: float, step_s: float, *, may_age: bool) -> Head:
    """The head that goes next, of at least one. `may_age` False: by priority alone, since the last start was given by age."""
    if not may_age:
        return min(heads, key=lambda head: head.priority)
    return min(heads, key=lambda head: (aged(head, now, step_s), head.since, head.priority))


def is_by_age(chosen: Head, heads: Sequence[Head]) -> bool:
    """True when `chosen` goes before somebody who is more urgent by priority alone."""
    return any(head.priority < chosen.priority for head in heads)
