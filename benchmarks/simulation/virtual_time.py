"""An event loop whose clock jumps to the next thing that is due: minutes of waiting take milliseconds, and the same each time."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

Result = TypeVar("Result")
_LEAST_S = 1e-6
"""Less than a loop can tell apart would move no time at all, and who waits for it would wait for ever."""
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class _Jumping(selectors.DefaultSelector):  # type: ignore[misc, valid-type] - which class it is depends on the platform
    """Waits for nothing: the loop's clock is moved by as long as it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Jump. Raises RuntimeError when nothing will ever be due: the program hangs."""
        if timeout is None:
            raise RuntimeError("nothing is due any more: everything waits for ever")
        self.now += max(timeout, 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """For code without sockets and threads."""

    def __init__(self) -> None:
        """At 1,000 s."""
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds."""
        return self._jumping.now


class LoopClock:
    """The running loop's time as a `Clock`: virtual on a virtual loop."""

    def now(self) -> datetime:
        """The wall clock."""
        return _EPOCH + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds of the loop; its beginning before one runs."""
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return 1000.0

    async def sleep(self, delay_s: float) -> None:
        """Sleep on the loop."""
        await asyncio.sleep(max(delay_s, _LEAST_S) if delay_s > 0 else 0)


def run_virtually(work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work` on a loop of its own."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
