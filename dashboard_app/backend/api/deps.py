"""What the API is built from: protocols, so that it runs on the real services and on small fakes alike."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp, Scope

from dashboard_app.access.identity import Identity
from dashboard_app.backend.events.assembly import EventParts
from dashboard_app.backend.guard.watched import Watched
from dashboard_app.backend.jobs.service import Jobs
from dashboard_app.backend.notify.channels import Channels
from dashboard_app.model.alert import Alert, AlertRule, AlertState, MetricInfo, RuleSettings
from dashboard_app.model.clock import Clock
from dashboard_app.model.health import Health, Metrics
from dashboard_app.model.pool import PoolCounts
from dashboard_app.model.pooler import Pooler, PoolerAct, PoolerClient
from dashboard_app.model.source import Page, Source, SourceSettings, TestReport
from dashboard_app.model.user import Principal
from dashboard_app.runtime.loop_watch import LoopWatch
from dashboard_app.settings import Settings


class CleanupReport(Protocol):
    """What a cleanup did, or would do."""

    def to_json(self) -> dict[str, Any]:
        """The answer of `force-cleanup`."""

    def audit_json(self) -> dict[str, Any]:
        """What the audit keeps of it: victims, what was won, what it cost."""


class Insight(Protocol):
    """What the guard has measured."""

    def watched(
        self,
        app: ASGIApp,
        *,
        is_signed_in: Callable[[Scope], bool] | None = None,
        on_answer: Callable[[str, str, int, float], None] | None = None,
    ) -> Watched:
        """`app` with its routes measured and its clients heard; `on_answer` hears method, route, status and seconds."""

    def performance_json(self) -> dict[str, Any]:
        """Response times per route, and how checkouts were served."""

    def clients_json(self) -> dict[str, Any]:
        """Who follows the throttling-config."""

    async def sizing_json(self) -> dict[str, Any]:
        """The wait that each size of the pool would have given."""


class Guard(Protocol):
    """The part of the pool guard that the API speaks to."""

    @property
    def insight(self) -> Insight:
        """What it has measured."""

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


class RulePreview(Protocol):
    """How often a rule would have fired; `fired` None: no past is kept."""

    @property
    def fired(self) -> int | None:
        """In all."""

    @property
    def since(self) -> datetime:
        """From when on."""

    @property
    def sources(self) -> int:
        """How many sources were looked at."""

    @property
    def by_source(self) -> Sequence[tuple[str, int]]:
        """The sources it would have fired for, the most first."""


class Alerts(Protocol):
    """What fires, who has it, and the rules. Acts raise NotFound, Conflict (it is over), InvalidInput."""

    async def page(self, state: AlertState | None, *, only_open: bool, limit: int, before: int | None) -> Sequence[Alert]:
        """Alerts, newest first."""

    def open_now(self) -> Sequence[Alert]:
        """What is not over, from memory."""

    def covered(self) -> dict[int, int]:
        """Each open alert that a stricter one speaks for → the id of that one."""

    async def acknowledge(self, alert_id: int, by: str) -> Alert:
        """The alert, which is somebody's now."""

    async def unacknowledge(self, alert_id: int) -> Alert:
        """The alert, which is nobody's again."""

    async def silence(self, alert_id: int, by: str, until: datetime, reason: str) -> Alert:
        """The alert, silent until then."""

    async def unsilence(self, alert_id: int) -> Alert:
        """The alert, heard again."""

    def rules(self) -> Sequence[AlertRule]:
        """Every rule by id."""

    def metrics(self) -> Sequence[MetricInfo]:
        """What a rule may be about."""

    def rule(self, rule_id: int) -> AlertRule:
        """One rule. Raises NotFound."""

    async def add_rule(self, settings: RuleSettings) -> AlertRule:
        """The new rule. Raises InvalidInput, Conflict."""

    async def change_rule(self, rule_id: int, changes: Mapping[str, Any]) -> AlertRule:
        """The rule after the changes. Raises NotFound, InvalidInput, Conflict."""

    async def remove_rule(self, rule_id: int) -> AlertRule:
        """The rule that is gone. Raises NotFound, Conflict (built in)."""

    async def preview(self, settings: RuleSettings) -> RulePreview:
        """How often it would have fired. Raises InvalidInput."""


class ChainReport(Protocol):
    """What a walk along the audit's chain found."""

    @property
    def is_whole(self) -> bool:
        """Every row is as it was written."""

    @property
    def rows(self) -> int:
        """How many were good."""

    @property
    def problem(self) -> str:
        """What is wrong, in a sentence."""

    @property
    def broken_at(self) -> int | None:
        """The first row that is not good."""

    @property
    def head(self) -> Any:
        """The last good row: `id` and `hash`."""


class Chain(Protocol):
    """The chain of hashes along the audit."""

    async def verify(self, expected: Any = None, *, newest: int | None = None) -> ChainReport:
        """Walk it, or its newest rows. Raises DatabaseUnavailable."""


class Audit(Protocol):
    """Who did what to what."""

    @property
    def chain(self) -> Chain:
        """What shows that no row was changed."""

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

    def act(
        self, principal: Principal, action: str, target: str, *, request_id: str = "", details: Mapping[str, object] | None = None
    ) -> AbstractAsyncContextManager[dict[str, Any]]:
        """Keep one row of what the block does: before it begins, and closed when it ends."""

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

    `ping` answers the milliseconds of one round trip over the control pool and raises DatabaseUnavailable. Without `jobs`,
    `events`, `channels` or `identity` their calls do not exist.
    """

    settings: Settings
    clock: Clock
    guard: Guard
    engine: AsyncEngine
    ping: Callable[[], Awaitable[float]]
    sources: Sources
    probing: Probing
    poolers: Poolers
    history: History
    audit: Audit
    alerts: Alerts
    jobs: Jobs | None = None
    identity: Identity | None = None
    events: EventParts | None = None
    channels: Channels | None = None
    readiness: Callable[[], list[str]] = _nothing_missing
    loop_watch: LoopWatch | None = None
