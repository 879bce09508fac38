"""What the tests of this room build: the real services on a real database, with cheap hashes."""

import asyncio
import time
from contextlib import asynccontextmanager

from argon2 import PasswordHasher

from dashboard_app.access.audit import Audit
from dashboard_app.access.identity import Identity
from dashboard_app.access.passwords import Passwords
from dashboard_app.access.vault import Vault
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.secret import Secret
from dashboard_app.model.user import Role
from dashboard_app.store.database import Database

PASSWORD = "correct-horse-battery-7"


class Parts:
    """Identity, audit and their database, as an app has them."""

    def __init__(self, address, settings, clock=None):
        self.settings = settings
        self.clock = clock or ManualClock()
        self.database = Database(lambda: address, settings)
        self.audit = Audit(self.database, settings.data_dir, self.clock)
        self.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.vault = Vault(settings)
        self.identity = Identity(self.database, settings, self.clock, audit=self.audit, vault=self.vault, passwords=self.passwords)

    async def add_users(self):
        for role in Role:
            await self.identity.create_user(f"{role}@example.org", Secret(PASSWORD), role, name=role.title())

    async def cookie(self, role=Role.ADMIN, address="192.0.2.1"):
        """A Cookie header of somebody who just signed in."""
        return f"{self.identity.cookie_name}={await self.identity.sign_in(f'{role}@example.org', PASSWORD, address)}"

    async def close(self):
        await self.identity.close()
        await self.audit.close()
        await self.database.close()


@asynccontextmanager
async def opened(address, settings, clock=None):
    """Started parts on a database that has the tables, closed afterwards."""
    parts = Parts(address, settings, clock)
    try:
        await parts.audit.start()
        await parts.identity.start()
        yield parts
    finally:
        await parts.close()


async def settled(audit):
    """Return when every row is in the table."""
    async with asyncio.timeout(30):
        while audit.waiting_count:
            await audit.keep_up()
    await audit.keep_up()


async def until(claim, timeout_s=30.0):
    """Return as soon as `claim()` holds."""
    deadline = time.monotonic() + timeout_s
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.005)
