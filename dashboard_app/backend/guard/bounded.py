"""A caller's limit that costs the connection nothing: late work goes on in the background instead of being cancelled at once.

Cancelling a statement makes the driver throw its connection away, which takes seconds on a silent server. So late work may still end by
itself (drivers have limits of their own) and is cancelled only after ten seconds more.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_LATE_S = 10.0


class Bounded:
    """Work under a time limit; what is late is kept until it ends."""

    def __init__(self) -> None:
        """Nothing runs."""
        self._running: set[asyncio.Task[Any]] = set()

    async def within(self, limit_s: float, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, or TimeoutError after `limit_s` seconds while `work` goes on. A cancelled caller cancels it."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait({task}, timeout=limit_s)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not task.done():
            end = asyncio.get_running_loop().call_later(_LATE_S, task.cancel)
            task.add_done_callback(lambda _: end.cancel())
            raise TimeoutError(f"no answer within {limit_s:g} s")
        return task.result()

    def close(self) -> None:
        """Cancel what is late."""
        for task in list(self._running):
            task.cancel()

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        """Drop an ended task; its error is read so that nobody warns about it."""
        self._running.discard(task)
        if not task.cancelled():
            task.exception()
