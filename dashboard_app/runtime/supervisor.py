"""Starts, watches and stops every loop of the process."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from dashboard_app.model.clock import Clock, SystemClock

_log = logging.getLogger(__name__)
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_CALM_S = 60.0
"""A loop that ran for so long before it broke starts again with the first pause."""


@dataclass(slots=True)
class _Loop:
    """One loop and how it fares."""

    name: str
    run: Callable[[], Coroutine[Any, Any, None]]
    task: "asyncio.Task[None] | None" = None
    restarts: int = 0
    broken: str = ""


class Supervisor:
    """Runs named loops in the order they were added; stops them in reverse. A loop that breaks starts again after a growing pause."""

    def __init__(self, clock: Clock | None = None, *, stop_timeout_s: float = 5.0) -> None:
        """No loops yet. `stop_timeout_s` is how long one loop may take to end."""
        self._clock = clock or SystemClock()
        self._stop_timeout_s = stop_timeout_s
        self._loops: list[_Loop] = []
        self._checks: dict[str, Callable[[], str]] = {}

    def add(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have `run` running from `start` on. A loop that returns is done and is not started again."""
        self._loops.append(_Loop(name, run))

    def add_check(self, name: str, reason: Callable[[], str]) -> None:
        """Ask `reason` whether this part can serve: "" when it can, else why not."""
        self._checks[name] = reason

    def start(self) -> None:
        """Start every loop that does not run."""
        for loop in self._loops:
            if loop.task is None or loop.task.done():
                loop.task = asyncio.create_task(self._watch(loop), name=f"loop {loop.name}")

    async def stop(self) -> None:
        """Cancel the loops, last added first, and wait for each to end (at most `stop_timeout_s`)."""
        for loop in reversed(self._loops):
            task, loop.task = loop.task, None
            if task is not None:
                await self._end(loop.name, task)

    def reasons(self) -> list[str]:
        """Why this process is not ready: broken loops and failing checks. Empty: it is."""
        broken = [f"{loop.name}: {loop.broken}" for loop in self._loops if loop.broken]
        return broken + [f"{name}: {reason}" for name, check in self._checks.items() if (reason := check())]

    def restarts(self) -> dict[str, int]:
        """How often each loop was started again."""
        return {loop.name: loop.restarts for loop in self._loops}

    async def _end(self, name: str, task: "asyncio.Task[None]") -> None:
        """Cancel one loop; say so when it does not end."""
        task.cancel()
        _, alive = await asyncio.wait({task}, timeout=self._stop_timeout_s)
        if alive:
            _log.error("loop %s did not end within %g s", name, self._stop_timeout_s)

    async def _watch(self, loop: _Loop) -> None:
        """Run one loop until it returns; start it again when it breaks."""
        pause_s = _FIRST_PAUSE_S
        while True:
            began = self._clock.monotonic()
            try:
                await loop.run()
            except Exception as failure:  # noqa: BLE001 - a loop's last handler: whatever broke it, the process lives on and says so
                loop.broken = type(failure).__name__
                _log.exception("loop %s broke and starts again in %g s", loop.name, pause_s)
            else:
                loop.broken = ""
                return
            if self._clock.monotonic() - began >= _CALM_S:
                pause_s = _FIRST_PAUSE_S
            await self._clock.sleep(pause_s)
            loop.restarts += 1
            loop.broken = ""
            pause_s = min(pause_s * 2.0, _LONGEST_PAUSE_S)
