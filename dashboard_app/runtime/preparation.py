"""What must be done before other loops may begin."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DatabaseUnavailable

_LOG = logging.getLogger(__name__)
_PAUSE_S = 1.0
Loop = Callable[[], Coroutine[Any, Any, None]]


class Preparation:
    """Tried again, as a whole, until the database is there."""

    def __init__(self, name: str, prepare: Callable[[], Awaitable[None]], clock: Clock) -> None:
        """`prepare` raises DatabaseUnavailable while it has to wait; `name` is for the log."""
        self._name, self._prepare, self._clock = name, prepare, clock
        self._done = asyncio.Event()

    @property
    def is_done(self) -> bool:
        """True once `prepare` has come to its end."""
        return self._done.is_set()

    async def run(self) -> None:
        """Prepare; a second apart while the database is away."""
        while True:
            try:
                await self._prepare()
            except DatabaseUnavailable as error:
                _LOG.warning("%s is not ready, trying again in %g s: %s", self._name, _PAUSE_S, error.detail)
                await self._clock.sleep(_PAUSE_S)
            else:
                self._done.set()
                return

    async def wait(self) -> None:
        """Return when it is done."""
        await self._done.wait()

    def before(self, run: Loop) -> Loop:
        """`run`, begun when this is done."""

        async def begin() -> None:
            await self.wait()
            await run()

        return begin
