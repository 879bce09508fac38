"""What the API asks of the pool guard."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol

from starlette.types import ASGIApp, Scope

from dashboard_app.backend.guard.watched import Watched
from dashboard_app.model.pool import PoolCounts


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
