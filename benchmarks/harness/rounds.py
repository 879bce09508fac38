"""Alternatives measured against each other in one run: each round does every one of them, in an order that turns."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

PERCENTILES = 100


@dataclass(frozen=True, slots=True)
class Rounds:
    """What each alternative measured in each round: rounds of one index belong together."""

    measured: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """The median of `name` over the rounds."""
        return median(self.measured[name])

    def ratio(self, name: str, to: str) -> float:
        """The median of the rounds' own ratios: a machine that slows down slows both of a round."""
        return median(one / other for one, other in zip(self.measured[name], self.measured[to], strict=True))


def interleaved(alternatives: Mapping[str, Callable[[], float]], rounds: int = 15, slices: int = 1) -> Rounds:
    """Run every alternative once a round (it answers what it measured); a first round warms up and is thrown away.

    With `slices` a round runs each that many times, still in turn, and takes the fastest: what else the machine does spoils slices, not rounds.
    """
    measured: dict[str, list[float]] = {name: [] for name in alternatives}
    for number in range(rounds + 1):
        seen: dict[str, list[float]] = {name: [] for name in alternatives}
        for slice_number in range(slices):
            for name in turned(list(alternatives), number + slice_number):
                seen[name].append(alternatives[name]())
        _keep(measured, seen, number)
    return Rounds(measured)


async def interleaved_async(alternatives: Mapping[str, Callable[[], Awaitable[float]]], rounds: int = 15, slices: int = 1) -> Rounds:
    """The same for coroutines."""
    measured: dict[str, list[float]] = {name: [] for name in alternatives}
    for number in range(rounds + 1):
        seen: dict[str, list[float]] = {name: [] for name in alternatives}
        for slice_number in range(slices):
            for name in turned(list(alternatives), number + slice_number):
                seen[name].append(await alternatives[name]())
        _keep(measured, seen, number)
    return Rounds(measured)


def _keep(measured: dict[str, list[float]], seen: Mapping[str, Sequence[float]], number: int) -> None:
    """Take the best of one round; round 0 was the warm-up."""
    if number:
        for name, figures in seen.items():
            measured[name].append(min(figures))


def turned(names: Sequence[str], number: int) -> list[str]:
    """`names` begun at another one each round, so that none is always first."""
    start = number % len(names)
    return [*names[start:], *names[:start]]


def percentile(values: Sequence[float], percent: int) -> float:
    """The `percent`th percentile (1..99) of at least two values."""
    return quantiles(values, n=PERCENTILES, method="inclusive")[percent - 1]
