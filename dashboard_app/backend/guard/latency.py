"""Durations in a fixed number of buckets, each 9 % wider than the one before: percentiles of any amount for a kilobyte.

A percentile is right within 4.5 %: the middle of its bucket is told. From 0.1 ms to 100 s; what is shorter or longer counts in the end buckets.
"""

from array import array
from collections.abc import Sequence
from math import log2

PER_OCTAVE = 8
_SHORTEST_S = 0.0001
_SHIFT = -log2(_SHORTEST_S) * PER_OCTAVE
BUCKETS = 160
_LAST = BUCKETS - 1


def empty() -> "array[int]":
    """No durations."""
    return array("L", bytes(array("L").itemsize * BUCKETS))


def bucket_of(seconds: float) -> int:
    """The bucket that counts `seconds`."""
    if seconds <= _SHORTEST_S:
        return 0
    bucket = int(log2(seconds) * PER_OCTAVE + _SHIFT) + 1
    return min(bucket, _LAST)


def percentile_s(counts: Sequence[int], percent: int) -> float | None:
    """The nearest-rank percentile in seconds; None when nothing was counted."""
    rank = -(-sum(counts) * percent // 100)
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if count and seen >= rank:
            return _SHORTEST_S * 2.0 ** ((bucket - 0.5) / PER_OCTAVE) if bucket else _SHORTEST_S
    return None
