"""What the API is built from: protocols, so that it runs on the real services and on small fakes alike."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from dashboard_app.model.clock import Clock
from dashboard_app.model.health import Health, Metrics
from dashboard_app.model.pool import PoolCounts
from dashboard_app.model.source import Page, Source, SourceSettings, TestReport
from dashboard_app.model.user import Principal
from dashboard_app.settings import Settings


class CleanupReport(Protocol):
    """What a cleanup did, or would do."""

    def to_json(self) -> dict[str, Any]:
        """The answer of `force-cleanup`."""

    def audit_json(self) -> dict[str, Any]:
        """What the audit keeps of it: victims, what was won, what it cost."""


class Guard(Protocol):
    """The part of the pool guard that the API speaks to."""

    def counts(self) -> PoolCounts:
        """The pool now."""

    def status(self, *, call_sites: bool = True) -> dict[str, Any]:
        """The status document."""

    @property
    def etag(self) -> str:
        """The ETag of the throttling config."""

    def config_json(self, *, call_sites: bool = True) -> dict[str, Any]:
        """The throttling config."""

    def hint(self) -> str:
        """The value of `X-Throttle`."""

    def holders_json(self) -> dict[str, Any]:
        """Who holds connections, and which code checks them out."""

    def leaks_json(self) -> dict[str, Any]:
        """Suspected leaks since the start."""

    def history(self, minutes: int = 15) -> dict[str, Any]:
        """Usage and waits of the last minutes."""

    def running(self, handle: Any, query: str) -> AbstractContextManager[Any]:
        """Inside, the checkout behind `handle` counts as running `query`."""

    def admission(self) -> AbstractAsyncContextManager[Any]:
        """A place for database work. Raises DatabaseUnavailable."""

    def holding(self, *, task: str = "", route: str = "", exempt: str = "") -> AbstractContextManager[Any]:
        """Label checkouts made inside."""

    async def connection_test(self) -> dict[str, Any]:
        """Check one connection out of the guarded pool and ask the server its version."""

    async def cleanup(self, *, dry_run: bool) -> CleanupReport:
        """Free the pool, or say what would be freed."""


class Sources(Protocol):
    """The registry of sources."""

    async def list(
        self,
        *,
        search: str = "",
        kind: str = "",
        status: str = "",
        tag: str = "",
        sort: str = "name",
        limit: int = 50,
        offset: int = 0,
    ) -> Page:
        """One page of sources."""

    async def get(self, source_id: int) -> Source:
        """The source. Raises NotFound."""

    async def create(self, settings: SourceSettings) -> Source:
        """The new source. Raises Conflict, InvalidInput."""

    async def update(self, source_id: int, changes: Mapping[str, Any]) -> Source:
        """The source after the changes. Raises NotFound, Conflict, InvalidInput."""

    async def delete(self, source_id: int) -> None:
        """Remove it. Raises NotFound, Conflict (the built-in one)."""


class Probing(Protocol):
    """The probes behind the sources."""

    async def health(self, source_id: int) -> Health:
        """The health now, or a result younger than 1 s."""

    async def metrics(self, source_id: int) -> Metrics:
        """The numbers now; none when the source does not give them."""

    async def healths(self, source_ids: Sequence[int]) -> Sequence[Health]:
        """The health of several; unknown ids are left out."""

    async def stats(self, source_ids: Sequence[int]) -> Sequence[Metrics]:
        """The numbers of several; unknown ids are left out."""

    async def test(self, settings: SourceSettings, *, source_id: int | None = None) -> TestReport:
        """Try settings without saving them; without a password the stored one of `source_id` is used."""


class History(Protocol):
    """Samples kept of each source."""

    async def points(self, source_id: int, metric: str, since: datetime, until: datetime, points: int) -> Sequence[Sequence[float]]:
        """`[[epoch_ms, value], …]`, at most about `points` of them."""

    async def timeline(self, source_id: int, since: datetime, until: datetime, buckets: int) -> str:
        """The worst letter of each of `buckets` equal spans, `-` where there is no sample."""


class Audit(Protocol):
    """Who did what to what."""

    async def record(
        self,
        principal: Principal,
        action: str,
        target: str,
        result: str = "ok",
        *,
        request_id: str = "",
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Keep one row. Never lost, never blocks for long."""

    async def page(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> Sequence[Any]:
        """Rows, newest first."""


def _nothing_missing() -> list[str]:
    """No reason not to be ready."""
    return []


@dataclass(frozen=True, slots=True)
class ApiDeps:
    """Everything the API calls. `readiness` gives the reasons why the process cannot serve yet; none: it can.

    `ping` answers the milliseconds of one round trip over the control pool and raises DatabaseUnavailable.
    """

    settings: Settings
    clock: Clock
    guard: Guard
    engine: AsyncEngine
    ping: Callable[[], Awaitable[float]]
    sources: Sources
    probing: Probing
    history: History
    audit: Audit
    readiness: Callable[[], list[str]] = _nothing_missing
