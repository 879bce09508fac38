"""Single flight: of one source, one reading of each kind at a time, one kind after the other, each shared by all who ask."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from dashboard_app.model.clock import Clock
from dashboard_app.model.source import Source

_Result = TypeVar("_Result")


@dataclass(slots=True)
class _Flight:
    """One reading under way (`landed_at` None) or landed."""

    source: Source
    task: asyncio.Task[Any]
    landed_at: float | None = None
    is_outdated: bool = False


class Flights:
    """At most one reading of a source under way. Bounded by two per source; `forget_landed` takes out the old ones."""

    def __init__(self, clock: Clock, shared_s: float) -> None:
        """A result younger than `shared_s` is given to whoever asks next."""
        self._clock = clock
        self._shared_s = shared_s
        self._flights: dict[tuple[int, str], _Flight] = {}
        self._outdated: set[asyncio.Task[Any]] = set()

    async def shared(self, source: Source, kind: str, work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
        """The result of the one reading of its kind under way, of one that just landed, or of a new one.

        One who stops waiting does not end the reading of the others. A reading that raised is not shared after its landing.
        """
        key = (source.id, kind)
        flight = self._flights.get(key)
        if flight is None or self._is_over(flight, source):
            if flight is not None and not flight.task.done():
                self._outdated.add(flight.task)
                flight.task.add_done_callback(self._outdated.discard)
            flight = _Flight(source, asyncio.create_task(_after(self._under_way(source.id), work)))
            self._flights[key] = flight
            flight.task.add_done_callback(partial(self._land, flight))
        result: _Result = await asyncio.shield(flight.task)
        return result

    def is_busy(self, source_id: int) -> bool:
        """True while a reading of the source is under way."""
        return bool(self._under_way(source_id))

    def outdate(self, source_id: int) -> None:
        """The source was changed just now: whoever asks next gets a reading that begins after this."""
        for (flying_id, _), flight in self._flights.items():
            if flying_id == source_id:
                flight.is_outdated = True

    def forget_landed(self) -> None:
        """Drop the results that are too old to be shared."""
        now = self._clock.monotonic()
        for key, flight in list(self._flights.items()):
            if flight.landed_at is not None and now - flight.landed_at >= self._shared_s:
                del self._flights[key]

    async def close(self) -> None:
        """End what is under way."""
        tasks = [*(flight.task for flight in self._flights.values()), *self._outdated]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._flights.clear()

    def _under_way(self, source_id: int) -> list[asyncio.Task[Any]]:
        """The readings of a source that have not ended."""
        return [flight.task for (flying_id, _), flight in self._flights.items() if flying_id == source_id and not flight.task.done()]

    def _is_over(self, flight: _Flight, source: Source) -> bool:
        """True when a flight is outdated, or has landed and is too old, failed, or looked at settings that have changed since."""
        if flight.is_outdated:
            return True
        if flight.landed_at is None:
            return False
        is_old = self._clock.monotonic() - flight.landed_at >= self._shared_s
        return is_old or flight.source != source or flight.task.cancelled() or flight.task.exception() is not None

    def _land(self, flight: _Flight, task: asyncio.Task[Any]) -> None:
        """Stamp a flight that ended, and look at its error so that nobody is warned when all who asked have left."""
        flight.landed_at = self._clock.monotonic()
        if not task.cancelled():
            task.exception()


async def _after(before: list[asyncio.Task[Any]], work: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
    """Work when the other readings of the source have ended; each of them has its own limit."""
    if before:
        await asyncio.wait(before)
    return await work()
