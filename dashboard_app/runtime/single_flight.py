"""Many askers, one flight: calls with the same key share one result while it is under way."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Flight(Generic[Answer]):
    """One call under way and how many wait for it."""

    task: asyncio.Task[Answer]
    askers: int = 0


class SingleFlight(Generic[Answer]):
    """Flights by key. Bounded by its callers: a key lives as long as somebody waits for it."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._flights: dict[Hashable, _Flight[Answer]] = {}

    def is_under_way(self, key: Hashable) -> bool:
        """True while a call with this key runs."""
        return key in self._flights

    async def run(self, key: Hashable, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """The result of `call`, or of the call with this key that already runs (its error, too).

        An asker that is cancelled leaves; the call itself is cancelled when the last asker has left.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = _Flight(asyncio.ensure_future(_as_coroutine(call)))
            self._flights[key] = flight
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.askers += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.askers -= 1
            if flight.askers == 0 and not flight.task.done():
                self._flights.pop(key, None)
                flight.task.cancel()

    def _landed(self, key: Hashable, task: asyncio.Task[Answer]) -> None:
        """Forget a flight that has ended, and see its error so that asyncio does not complain of one nobody awaited."""
        if (flight := self._flights.get(key)) is not None and flight.task is task:
            del self._flights[key]
        if not task.cancelled():
            task.exception()


async def _as_coroutine(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Let any awaitable become a task."""
    return await call()
