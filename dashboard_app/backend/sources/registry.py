"""The registry: which sources there are, kept in the database, with a copy in memory that needs no connection to be read."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from dashboard_app.backend.sources.probes.target import Target, target_of
from dashboard_app.backend.sources.reach import Reach
from dashboard_app.backend.sources.recall import Recall
from dashboard_app.backend.sources.validation import FIELDS, check_changes, check_query, check_root_certificate, check_settings, kind_of
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Conflict, DatabaseUnavailable, NotFound
from dashboard_app.model.health import Health, HealthStatus
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import OWN_SOURCE_ID, Page, Source, SourceKind, SourceSettings, SourceView
from dashboard_app.runtime.logs import protect_password
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.sources import OWN_NAME, PageQuery, SourceStore, StoredSource

log = logging.getLogger(__name__)

REFRESH_S = 3.0
"""How soon a change made by another process (the CLI) is seen here."""
PAUSED = "paused"
_OWN_MAY_CHANGE = frozenset({"environment", "tags", "enabled"})


class Sealer(Protocol):
    """What the registry needs of the vault."""

    def encrypt(self, secret: Secret) -> bytes:
        """The secret as it may be stored."""

    def decrypt(self, sealed: bytes) -> Secret:
        """The secret again; raises when no key fits."""


class Sources:
    """Create, read, change and delete sources. Reading one needs no connection; a page of them is one statement."""

    def __init__(
        self, store: SourceStore, address: Callable[[], DatabaseAddress], vault: Sealer, recall: Recall, clock: Clock, *, reach: Reach
    ) -> None:
        """No I/O here; source 1 is known from `address` alone as soon as `open` was called."""
        self._store = store
        self._address = address
        self._vault = vault
        self._recall = recall
        self._clock = clock
        self._reach = reach
        self._known: dict[int, StoredSource] = {}
        self._own_is_synced = False
        self._changes = 0

    async def open(self) -> None:
        """Make source 1 follow the database's address and read all sources; with the database away source 1 alone is known."""
        self._known.setdefault(OWN_SOURCE_ID, self._own())
        try:
            await self.refresh()
        except DatabaseUnavailable as error:
            log.warning("sources could not be read yet: %s", error.detail)

    async def run(self) -> None:
        """Keep the copy fresh for ever; the supervisor owns and cancels this."""
        while True:
            await self._clock.sleep(REFRESH_S)
            try:
                await self.refresh()
            except DatabaseUnavailable as error:
                log.debug("sources could not be read: %s", error.detail)

    async def refresh(self) -> None:
        """Read all sources again.

        Raises:
            DatabaseUnavailable: the copy stays as it was.

        """
        if not self._own_is_synced:
            await self._store.put_own(self._address())
            self._own_is_synced = True
        changes = self._changes
        stored = await self._store.everything()
        if changes == self._changes:  # else a change of this process is newer than what was read
            self._known = {one.source.id: one for one in stored}
            self._recall.keep_only(self._known)

    async def list(
        self, *, search: str = "", kind: str = "", status: str = "", tag: str = "", sort: str = "name", limit: int = 50, offset: int = 0
    ) -> Page:
        """One page, each source with its last health and recent letters. The caller holds admission.

        Raises:
            InvalidInput: a value is out of its range. DatabaseUnavailable: the database is away.

        """
        check_query({"search": search, "kind": kind, "status": status, "tag": tag, "sort": sort}, limit, offset)
        query = PageQuery(search, kind, status, tag, sort or "name", limit, offset, self._statuses())
        sources, total = await self._store.page(query)
        return Page(tuple(self.view(source) for source in sources), total)

    async def get(self, source_id: int) -> Source:
        """One source, from memory.

        Raises:
            NotFound: there is no such source.

        """
        return self.known(source_id)

    def known(self, source_id: int) -> Source:
        """One source, from memory; raises NotFound."""
        return self._stored(source_id).source

    def everything(self) -> tuple[Source, ...]:
        """All sources by id, from memory."""
        return tuple(self._known[source_id].source for source_id in sorted(self._known))

    def view(self, source: Source) -> SourceView:
        """A source with what is remembered of it."""
        return SourceView(source, self.last_health(source), self._recall.recent(source.id))

    def last_health(self, source: Source) -> Health | None:
        """The last health; a paused source is unknown, whatever was found before."""
        return self._recall.last(source.id) if source.enabled else paused(source, self._recall.last(source.id))

    async def create(self, settings: SourceSettings) -> Source:
        """The new source, with its id.

        Raises:
            KindNotSupported, InvalidInput: a field is not acceptable. Conflict: the name is taken. DatabaseUnavailable.

        """
        await self._check(settings)
        return self._keep(await self._store.add({**_row(settings), "password_encrypted": self._sealed(settings.password)}))

    async def update(self, source_id: int, changes: Mapping[str, Any]) -> Source:
        """The source after `changes` (fields of SourceSettings by name). Without a password the stored one stays.

        Raises:
            NotFound: no such source. Conflict: the name is taken, or source 1 would not follow the database any more.
            KindNotSupported, InvalidInput: a field is not acceptable. DatabaseUnavailable.

        """
        before = self.known(source_id)
        check_changes(changes)
        if source_id == OWN_SOURCE_ID and (fixed := _fixed_for_own(before, changes)):
            raise Conflict(f"{', '.join(fixed)}: the built-in source follows SPILLWAY_DATABASE_URL")
        wanted = _changed(before, changes)
        if source_id != OWN_SOURCE_ID:
            await self._check(wanted)
        else:
            check_settings(replace(wanted, host="localhost", username=OWN_NAME, database="", options={}))
        row = {name: value for name, value in _row(wanted).items() if name in changes}
        if wanted.password is not None:
            row["password_encrypted"] = self._sealed(wanted.password)
        stored = await self._store.change(source_id, row) if row else self._stored(source_id)
        if stored is None:
            self._forget(source_id)
            raise _no_source(source_id)
        return self._keep(stored)

    async def delete(self, source_id: int) -> None:
        """Remove a source and its samples.

        Raises:
            NotFound: no such source. Conflict: it is the built-in one. DatabaseUnavailable.

        """
        self.known(source_id)
        if source_id == OWN_SOURCE_ID:
            raise Conflict("The built-in source cannot be deleted; it can be disabled")
        if not await self._store.remove(source_id):
            self._forget(source_id)
            raise _no_source(source_id)
        self._forget(source_id)

    def credentials(self, source_id: int) -> Secret:
        """The password of a source; empty when none is stored. Raises NotFound, and what the vault raises when no key fits."""
        stored = self._stored(source_id)
        if source_id == OWN_SOURCE_ID:
            return self._address().password
        if not stored.password_encrypted:
            return Secret("")
        password = self._vault.decrypt(stored.password_encrypted)
        protect_password(password)
        return password

    def target(self, source_id: int) -> Target:
        """What a probe of this source connects to. Source 1: Spillway's own address, as it is now."""
        source = self.known(source_id)
        if source_id == OWN_SOURCE_ID:
            own = self._address()
            return Target(own.host, own.port, own.database, own.user, own.password, own.sslmode, is_own=True)
        return target_of(source, self.credentials(source_id))

    def _own(self) -> StoredSource:
        """Source 1 as the address alone tells it."""
        address, now = self._address(), self._clock.now()
        options = {"sslmode": address.sslmode}
        source = Source(
            OWN_SOURCE_ID,
            OWN_NAME,
            SourceKind.POSTGRESQL,
            address.host,
            address.port,
            address.database,
            address.user,
            options,
            "",
            (),
            True,
            now,
            now,
        )
        return StoredSource(source, None)

    def _statuses(self) -> dict[int, str]:
        """The last known status by id; what is missing is unknown."""
        return {
            source_id: status.value
            for source_id, status in self._recall.statuses().items()
            if source_id in self._known and self._known[source_id].source.enabled
        }

    def _stored(self, source_id: int) -> StoredSource:
        """The copy in memory; raises NotFound."""
        if source_id not in self._known:
            raise _no_source(source_id)
        return self._known[source_id]

    async def _check(self, settings: SourceSettings) -> None:
        """Return when the settings are acceptable, file, host and all."""
        check_settings(settings)
        await asyncio.to_thread(check_root_certificate, settings.options)
        await self._reach.check(settings.host)

    async def check_hosts(self, hosts: Iterable[str]) -> None:
        """Return when sources may point to all of these hosts; raises InvalidInput."""
        await asyncio.gather(*(self._reach.check(host) for host in hosts))

    def _sealed(self, password: Secret | None) -> bytes | None:
        """A password as it is stored; none and empty are stored as nothing."""
        return self._vault.encrypt(password) if password else None

    def _keep(self, stored: StoredSource) -> Source:
        """Take a change of this process into the copy."""
        self._changes += 1
        self._known[stored.source.id] = stored
        return stored.source

    def _forget(self, source_id: int) -> None:
        """Take a source out of the copy and out of memory."""
        self._changes += 1
        self._known.pop(source_id, None)
        self._recall.keep_only(self._known)


def paused(source: Source, last: Health | None) -> Health:
    """The health of a source that is disabled: nobody looks."""
    checked_at = last.checked_at if last is not None else None
    return Health(source.id, HealthStatus.UNKNOWN, source.updated_at, None, checked_at, PAUSED)


def _fixed_for_own(before: Source, changes: Mapping[str, Any]) -> list[str]:
    """Which changes source 1 does not take: repeating what it has is no change."""
    return [name for name, value in changes.items() if name not in _OWN_MAY_CHANGE and getattr(before, name, None) != value]


def _changed(before: Source, changes: Mapping[str, Any]) -> SourceSettings:
    """The settings that the source would have."""
    kept = {name: getattr(before, name) for name in FIELDS if name != "password"}
    given = dict(changes)
    if "kind" in given:
        given["kind"] = kind_of(given["kind"])
    if "tags" in given and isinstance(given["tags"], (list, tuple)):
        given["tags"] = tuple(given["tags"])
    if isinstance(given.get("password"), str):
        given["password"] = Secret(given["password"])
    return SourceSettings(**{**kept, **given})


def _row(settings: SourceSettings) -> dict[str, Any]:
    """The columns of a source, save its password."""
    row = {name: getattr(settings, name) for name in FIELDS if name != "password"}
    return {**row, "kind": settings.kind.value, "options": dict(settings.options), "tags": list(settings.tags)}


def _no_source(source_id: int) -> NotFound:
    """What is raised for an unknown id."""
    return NotFound(f"There is no source {source_id}")
