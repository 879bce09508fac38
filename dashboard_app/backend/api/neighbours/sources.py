"""What the API asks of sources, their probes, their poolers and their past."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from dashboard_app.model.health import Health, Metrics
from dashboard_app.model.pooler import Pooler, PoolerAct, PoolerClient
from dashboard_app.model.source import Page, Source, SourceSettings, TestReport


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


class WatchedGuard(Protocol):
    """The pool guard of a watched service. Every call has a time limit and raises ProbeFailed."""

    async def guard_status(self) -> dict[str, Any]:
        """The guard's status now."""

    async def guard_holders(self) -> dict[str, Any]:
        """Who holds connections of the service."""

    async def guard_cleanup(self, *, dry_run: bool) -> dict[str, Any]:
        """Free the service's pool, or say what would be freed."""


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

    async def service(self, source_id: int) -> WatchedGuard:
        """The guard behind a source of kind `service`. Raises NotFound (also for other kinds), Conflict (paused), ProbeFailed."""


class Acted(Protocol):
    """What an act on a pooler was, how long it took, and how things are now."""

    @property
    def command(self) -> str:
        """As the pooler got it."""

    @property
    def took_ms(self) -> float:
        """How long the pooler took."""

    @property
    def after(self) -> Pooler | None:
        """None: it gave no answer any more."""


class Poolers(Protocol):
    """Sources that are a PgBouncer."""

    async def picture(self, source_id: int) -> Pooler:
        """Its pools and databases. Raises NotFound, WrongKind, ProbeFailed."""

    async def clients(self, source_id: int) -> Sequence[PoolerClient]:
        """Its clients, who waits longest first. Raises as `picture`."""

    async def act(self, source_id: int, act: PoolerAct, *, database: str | None = None, client: str | None = None) -> Acted:
        """Do it. Raises NotFound, WrongKind, Conflict, NotSupportedByServer, DeadlinePassed, ProbeFailed."""


class History(Protocol):
    """Samples kept of each source."""

    async def points(self, source_id: int, metric: str, since: datetime, until: datetime, points: int) -> Sequence[Sequence[float]]:
        """`[[epoch_ms, value], …]`, at most about `points` of them."""

    async def timeline(self, source_id: int, since: datetime, until: datetime, buckets: int) -> str:
        """The worst letter of each of `buckets` equal spans, `-` where there is no sample."""
