"""What a person does to the server: proved and written down here when the server is another machine's."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from dashboard_app.console.client.caller import Caller
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require_proof

Value = TypeVar("Value")


class AuditBook(Protocol):
    """Where an operator's action is written down when the server is another machine's."""

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
        """Keep one row."""

    def act(
        self, principal: Principal, action: str, target: str, *, request_id: str = "", details: Mapping[str, object] | None = None
    ) -> AbstractAsyncContextManager[dict[str, Any]]:
        """Keep one row of what the block does: before it begins, and closed when it ends."""


class Audited(Protocol):
    """Does something and, when the server is another machine's, writes down who did it."""

    def __call__(self, principal: Principal, action: str, target: str, act: Callable[[], Awaitable[Value]]) -> Awaitable[Value]:
        """What `act` returns."""


class Acts:
    """A server on this machine proves and audits by itself; for another's, this console does."""

    def __init__(self, caller: Caller, book: AuditBook | None = None) -> None:
        """`book` is needed when the server is another machine's."""
        self._caller, self._book = caller, book

    def prove(self, principal: Principal) -> None:
        """Ask of a person what this machine alone can know, when the act is another machine's. Raises ProofNeeded."""
        if self._caller.wire.is_remote:
            require_proof(principal, self._caller.clock.now())

    async def audited(self, principal: Principal, action: str, target: str, act: Callable[[], Awaitable[Value]]) -> Value:
        """Do it and, when the server is another machine's, write down who did what here, failures too."""
        if not self._caller.wire.is_remote or self._book is None:
            return await act()
        async with self._book.act(principal, action, target):
            return await act()
