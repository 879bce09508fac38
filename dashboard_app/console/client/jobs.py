"""The console's calls about jobs. What many pages look at is read once for all of them, a few times a second at most."""

from typing import Any, TypeVar

from dashboard_app.console.client.acts import Audited
from dashboard_app.console.client.caller import Call, Caller
from dashboard_app.console.client.contract import parse_object
from dashboard_app.console.client.shared import SharedReads
from dashboard_app.model.clock import Clock
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require, require_proof
from dashboard_app.runtime.request_queue import Priority

Value = TypeVar("Value")
_PATH = "/api/v1/jobs"


class JobCalls:
    """Every call raises errors of `model.errors` only; the right is checked here first."""

    def __init__(self, caller: Caller, audited: Audited, clock: Clock) -> None:
        """`audited` runs an act and, when the server is another machine's, writes down who did it here."""
        self._caller, self.audited, self._clock = caller, audited, clock
        self._reads = SharedReads(caller, clock)
        self.last: tuple[float, dict[str, Any]] | None = None
        """The ledger that came last, and the monotonic time after which it was asked for; None: none has come yet."""

    async def stats(self, principal: Principal) -> dict[str, Any]:
        """The updater's ledger."""
        began = self._clock.monotonic()
        found = await self._read(principal, f"{_PATH}/status/stats")
        if self.last is None or self.last[1] is not found:
            self.last = began, found
        return found

    async def past(self, principal: Principal) -> dict[str, Any]:
        """What the updater wrote in the last ten minutes: {"step_s", "points"}."""
        return await self._read(principal, f"{_PATH}/status/history")

    async def counts(self, principal: Principal) -> dict[str, Any]:
        """{"by_status", "is_estimate"}."""
        return await self._read(principal, f"{_PATH}/counts")

    async def page(self, principal: Principal, params: dict[str, str | int]) -> list[dict[str, Any]]:
        """Jobs, newest first, as `params` ask: status, kind, limit, before."""
        items: list[dict[str, Any]] = (await self._read(principal, _PATH, params))["items"]
        return items

    async def dead_letters(self, principal: Principal, limit: int) -> list[dict[str, Any]]:
        """Updates that the database refused, newest first."""
        items: list[dict[str, Any]] = (await self._read(principal, f"{_PATH}/dead-letters", {"limit": limit}, "jobs.dead_letters"))["items"]
        return items

    async def flush(self, principal: Principal) -> int:
        """How many updates were queued and are committed now."""
        return int((await self._act(principal, "jobs.write", "POST", f"{_PATH}/status/flush"))["flushed"])

    async def retry(self, principal: Principal, letter_id: int) -> None:
        """Queue a dead letter's update once more."""
        await self._act(principal, "jobs.dead_letters", "POST", f"{_PATH}/dead-letters/{letter_id}/retry")

    async def discard(self, principal: Principal, letter_id: int) -> None:
        """Forget a dead letter. Raises ProofNeeded."""
        require_proof(principal, self._clock.now())
        await self._act(principal, "jobs.dead_letters", "DELETE", f"{_PATH}/dead-letters/{letter_id}")

    async def _read(
        self, principal: Principal, path: str, params: dict[str, str | int] | None = None, action: str = "jobs.read"
    ) -> dict[str, Any]:
        """An answer, shared by all who ask for the same within FRESH_S."""
        return await self._reads.read(principal, action, path, params)

    def forget(self) -> None:
        """Read anew what is asked for next: jobs have changed."""
        self._reads.forget()

    async def _act(self, principal: Principal, action: str, method: str, path: str) -> dict[str, Any]:
        """A person's act; what was read before is read anew."""
        require(principal, action)
        click = Call(method, path, Priority.CLICK, principal=principal)
        try:
            done = await self.audited(principal, action, f"{method} {path}", lambda: self._caller.ordinary(click, _object_or_nothing))
        finally:
            self._reads.forget()
        return dict(done)


def _object_or_nothing(body: Any) -> dict[str, Any]:
    """An object; an empty answer is an empty one."""
    return parse_object(body) if body else {}
