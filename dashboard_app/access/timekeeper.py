"""Keeps this process's clock in step with the database's, by which sessions, links, tokens, proofs and codes are judged."""

import logging
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.clock import Clock
from dashboard_app.runtime.steady_clock import SteadyClock, Told
from dashboard_app.store.database import Database

_LOG = logging.getLogger(__name__)
_CLOCK = text("SELECT clock_timestamp()")
STEP = timedelta(seconds=1)
"""Two clocks that both run well stay closer than this in the half minute from one question to the next."""
CARRIED_AT_MOST = timedelta(hours=25)
"""So far forward a step is taken for a clock that was set: a day, and an hour of summer time. A longer one is time that has passed."""


class Timekeeper:
    """Asks the database what time it is, for a clock that listens. Any other clock goes by itself."""

    def __init__(self, clock: Clock, database: Database) -> None:
        """No I/O."""
        self._clock = clock if isinstance(clock, SteadyClock) else None
        self._database = database

    async def begin(self) -> None:
        """Ask, unless the database has said so before. Raises DatabaseUnavailable."""
        if self._clock is not None and not self._clock.is_told:
            await self.ask()

    async def ask(self) -> timedelta:
        """Ask, and return by how far the time jumped: zero unless a clock was set. Raises DatabaseUnavailable."""
        clock = self._clock
        if clock is None:
            return timedelta()

        async def work(connection: AsyncConnection) -> Told:
            asked = clock.elapsed()
            at: datetime = (await connection.execute(_CLOCK)).scalar_one()
            return Told(at, asked, clock.elapsed())

        told = await self._database.on_control(work)
        is_first, moved = not clock.is_told, clock.hear(told)
        if abs(moved) < STEP:
            return timedelta()
        what = "this machine's clock was not the database's" if is_first else "the database's clock was set"
        _LOG.warning(
            "%s: it is %s, %+.0f s from what this process took it for", what, told.at.isoformat(timespec="seconds"), moved.total_seconds()
        )
        return moved
