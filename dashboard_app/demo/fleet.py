"""The demo's fleet at sea: listeners, databases, life, and the sources that name them."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from dashboard_app.demo.databases import AWAY, Life, Password, prepare
from dashboard_app.demo.plan import FLEET, TAG, Flaw, Planned
from dashboard_app.demo.proxy import FaultProxy, Mode, Weather
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import Source, SourceKind, SourceSettings
from dashboard_app.store.address import DatabaseAddress

log = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_AGAIN_S = 2.0
_LOOK_S = 0.1


class Registry(Protocol):
    """The part of the registry of sources that the fleet needs."""

    def everything(self) -> Sequence[Source]:
        """All sources, from memory."""

    async def refresh(self) -> None:
        """Read all sources again."""

    async def create(self, settings: SourceSettings) -> Source:
        """The new source."""

    async def update(self, source_id: int, changes: Mapping[str, Any]) -> Source:
        """The source after the changes."""


class Fleet:
    """24 listeners and the sources that name them."""

    def __init__(self, address: Callable[[], DatabaseAddress], sources: Registry, clock: Clock, plan: Sequence[Planned] = FLEET) -> None:
        """No I/O. `address` is a user who may create databases and roles."""
        self._address = address
        self._sources = sources
        self._clock = clock
        self._plan = plan
        self._passwords: Password = {}
        self.proxies: dict[str, FaultProxy] = {}
        self.is_at_sea = False
        """True once every source is registered."""

    async def run(self) -> None:
        """Set sail and stay at sea until cancelled; waits for a database that is away."""
        try:
            await self._until_done(self._know)
            await self._until_done(self._prepare)
            await self._listen()
            await self._until_done(self._register)
            self.is_at_sea = True
            log.info("the demo's fleet of %d sources is at sea", len(self._plan))
            async with asyncio.TaskGroup() as group:
                group.create_task(Life(self._home, self._clock).run(), name="demo life")
                for planned in self._plan:
                    if any(planned.flaps_s):
                        group.create_task(self._flap(planned), name=f"demo {planned.name} flaps")
        finally:
            for proxy in self.proxies.values():
                await proxy.close()

    async def _know(self) -> None:
        """Wait until the registry is open, and read what is registered."""
        while not self._sources.everything():
            await self._clock.sleep(_LOOK_S)
        await self._sources.refresh()

    async def _prepare(self) -> None:
        """Make databases and roles."""
        self._passwords = await prepare(self._address())

    async def _listen(self) -> None:
        """Start every listener, where it can on the port its source already names."""
        known = {source.name: source.port for source in self._sources.everything()}
        for planned in self._plan:
            proxy = FaultProxy(self._server, planned.weather)
            await proxy.start(known.get(planned.name, 0))
            self.proxies[planned.name] = proxy

    async def _register(self) -> None:
        """Register what is missing; a source of an earlier start learns the new port and password."""
        known = {source.name: source for source in self._sources.everything()}
        for planned in self._plan:
            wanted = self._settings(planned)
            if planned.name not in known:
                await self._sources.create(wanted)
            else:
                changes = {name: getattr(wanted, name) for name in ("host", "port", "database", "username", "password")}
                await self._sources.update(known[planned.name].id, changes)

    def _settings(self, planned: Planned) -> SourceSettings:
        """A planned source as it is registered."""
        is_wrong = planned.flaw is Flaw.WRONG_PASSWORD
        return SourceSettings(
            name=planned.name,
            kind=SourceKind.POSTGRESQL,
            host=_HOST,
            port=self.proxies[planned.name].port,
            database=planned.database,
            username=planned.role,
            password=Secret("wrong") if is_wrong else self._passwords[planned.role],
            options={"sslmode": "disable"},
            environment=planned.environment,
            tags=(TAG, planned.realm),
        )

    def _server(self) -> tuple[str, int]:
        """Where the server behind every listener is now."""
        address = self._address()
        return address.host, address.port

    def _home(self, realm: str) -> DatabaseAddress:
        """The database of a realm, straight, not through a listener."""
        role = f"demo_{realm}"
        return replace(self._address(), database=role, user=role, password=self._passwords[role])

    async def _flap(self, planned: Planned) -> None:
        """Up and down, over and over."""
        up_s, down_s = planned.flaps_s
        while True:
            await self._clock.sleep(up_s)
            await self.proxies[planned.name].become(Weather(Mode.REFUSING))
            await self._clock.sleep(down_s)
            await self.proxies[planned.name].become(planned.weather)

    async def _until_done(self, step: Callable[[], Any]) -> None:
        """Do a step, again and again while the database is away."""
        while True:
            try:
                await step()
            except (*AWAY, SpillwayError) as error:
                log.warning("the demo's fleet waits: %s: %s", type(error).__name__, getattr(error, "detail", ""))
                await self._clock.sleep(_AGAIN_S)
            else:
                return
