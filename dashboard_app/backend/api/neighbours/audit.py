"""What the API asks of the audit."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from dashboard_app.model.user import Principal


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
