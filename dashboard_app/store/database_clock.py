"""The database's time: what all instances agree on, and what a jump of this machine's clock does not move."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.store.database import Database

READ_EVERY_S = 60.0
AGAIN_S = 2.0
"""After a reading that failed."""


class DatabaseClock:
    """A clock whose wall is the database's, carried on by this process's monotonic time between two readings.

    Before the first reading it is the machine's. For what ends at a time that is stored: sessions, tokens, links.
    """

    def __init__(self, database: Database, machine: Clock) -> None:
        """No I/O."""
        self._database = database
        self._machine = machine
        self._read: tuple[datetime, float] | None = None
        self.monotonic = machine.monotonic

    def now(self) -> datetime:
        """The time of the database, aware, in UTC."""
        if self._read is None:
            return self._machine.now()
        at, read_at = self._read
        return at + timedelta(seconds=self.monotonic() - read_at)

    async def sleep(self, delay_s: float) -> None:
        """Sleep as the machine does."""
        await self._machine.sleep(delay_s)

    async def read(self) -> None:
        """Ask the database.

        Raises:
            DatabaseUnavailable: it does not answer.

        """
        asked = self.monotonic()
        at = await self._database.on_control(_time)
        self._read = at.astimezone(UTC), (asked + self.monotonic()) / 2

    async def run(self) -> None:
        """Ask it every minute, for ever."""
        while True:
            try:
                await self.read()
            except DatabaseUnavailable:
                await self._machine.sleep(AGAIN_S)
            else:
                await self._machine.sleep(READ_EVERY_S)


async def _time(connection: AsyncConnection) -> datetime:
    """The server's wall clock."""
    found: datetime = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
    return found
