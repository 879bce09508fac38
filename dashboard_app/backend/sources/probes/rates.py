"""Rates out of counters that only grow, save when somebody resets them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters read at one moment. `at_s` is monotonic; `epoch` changes whenever the counters may have started anew."""

    at_s: float
    epoch: object
    values: Mapping[str, float] = field(default_factory=dict)


def growth(before: Counters | None, after: Counters) -> dict[str, float]:
    """How much each counter grew between two readings; absent at the first reading, after a reset, and for one that fell."""
    if before is None or before.epoch != after.epoch:
        return {}
    grown = {name: value - before.values[name] for name, value in after.values.items() if name in before.values}
    return {name: more for name, more in grown.items() if more >= 0}


def rates(before: Counters | None, after: Counters) -> dict[str, float]:
    """Growth per second of the time that really passed; empty when none did."""
    elapsed_s = after.at_s - before.at_s if before is not None else 0.0
    return {name: more / elapsed_s for name, more in growth(before, after).items()} if elapsed_s > 0 else {}
