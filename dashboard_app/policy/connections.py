"""Whether the pools of all instances together can ask a server for more connections than it has. Pure arithmetic."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instance:
    """One process with a guarded pool: the most connections its pool opens, and those it looks at the server with."""

    id: str
    pool: int
    control: int


@dataclass(frozen=True, slots=True)
class Demand:
    """Who may ask one server for connections. `others`: sessions of other applications now; `available`: its limit without what it reserves."""

    instances: Sequence[Instance]
    others: int
    available: int

    @property
    def most(self) -> int:
        """The connections that may be asked for at once."""
        return sum(instance.pool + instance.control for instance in self.instances) + self.others

    @property
    def is_too_much(self) -> bool:
        """True when a full pool could meet a server that refuses."""
        return self.most > self.available


def demand_reason(demand: Demand) -> str | None:
    """Why a pool may fail before it is full, in words; None when there is enough for all."""
    if not demand.is_too_much:
        return None
    sizes = Counter(instance.pool for instance in demand.instances)
    parts = [f"{count} {'instance' if count == 1 else 'instances'} × {size}" for size, count in sorted(sizes.items(), reverse=True)]
    control = sum(instance.control for instance in demand.instances)
    if control:
        parts.append(f"{control} of their control pools")
    if demand.others:
        parts.append(f"{demand.others} of other applications")
    return f"{' + '.join(parts)} may ask for {demand.most} of {demand.available} connections of the server"
