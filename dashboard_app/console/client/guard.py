"""The contract's calls to a pool guard: the server's own, and those of the services it watches. No queue, no breaker, no throttle."""

from collections.abc import Callable
from typing import Any, TypeVar

from dashboard_app.console.client import measured
from dashboard_app.console.client.acts import Acts
from dashboard_app.console.client.caller import Caller
from dashboard_app.console.client.contract import parse_object, parse_throttling
from dashboard_app.model.errors import BackendFailed, NotFound
from dashboard_app.model.pool import ThrottlingConfig
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require

Value = TypeVar("Value")
_GUARD = "/api/v1/health/database"
_CLEANUP_LIMIT_S = 10.0
"""A cleanup terminates backends one by one; giving up on its answer early would hide what it did."""


class GuardCalls:
    """Every call raises errors of `model.errors` only; rights are checked here first."""

    def __init__(self, caller: Caller, acts: Acts) -> None:
        """Call through `caller`."""
        self._caller, self._acts = caller, acts

    async def status(self) -> dict[str, Any] | None:
        """The pool guard's status as the contract has it; None when the server does not offer it."""
        return await self._optional("GET", f"{_GUARD}/status", parse_object)

    async def throttling_config(self) -> ThrottlingConfig | None:
        """The throttling-config; None when the server does not offer it."""
        return await self._optional("GET", f"{_GUARD}/throttling-config", parse_throttling)

    async def connection_test(self, principal: Principal) -> dict[str, Any]:
        """{"ok", "latency_ms", "server_version", "via"} or {"ok": False, "error"}; no answer in time is such a result, too."""
        require(principal, "pool.test")
        try:
            return await self._caller.guard("GET", f"{_GUARD}/connection-test", parse_object, principal=principal, limit_s=2.5)
        except BackendFailed as failure:
            return {"ok": False, "error": failure.detail}

    async def holders(self, principal: Principal) -> dict[str, Any]:
        """{"items", "call_sites"}: who holds connections of the pool."""
        require(principal, "pool.holders")
        return await self._caller.guard("GET", f"{_GUARD}/holders", parse_object, principal=principal)

    async def history(self, principal: Principal, minutes: int = 15) -> dict[str, Any] | None:
        """{"points", "marks"} of the pool's last `minutes`, 1 to 60; None when the server does not offer it."""
        require(principal, "pool.history")
        try:
            return await self._caller.guard("GET", f"{_GUARD}/history?minutes={minutes}", parse_object, principal=principal)
        except NotFound:
            return None

    async def performance(self, principal: Principal) -> measured.Performance | None:
        """Response times per route and how the pool served its checkouts; None when the server does not offer it."""
        return await self._measured(principal, "performance", measured.parse_performance)

    async def clients(self, principal: Principal) -> measured.Clients | None:
        """Who follows the throttling-config; None when the server does not offer it."""
        return await self._measured(principal, "clients", measured.parse_clients)

    async def sizing(self, principal: Principal) -> measured.Sizing | None:
        """The wait that each size of the pool would have given; None when the server does not offer it."""
        return await self._measured(principal, "sizing", measured.parse_sizing)

    async def cleanup(self, principal: Principal, *, dry_run: bool) -> dict[str, Any]:
        """What a cleanup of the pool did, or (dry run) would do."""
        return await self._clean(principal, _GUARD, "pool", dry_run=dry_run)

    async def service_status(self, principal: Principal, source_id: int) -> dict[str, Any]:
        """The status of a watched service's guard; a service that fails raises BackendFailed and says nothing of the server."""
        require(principal, "sources.read")
        return await self._caller.guard("GET", f"{_service(source_id)}/status", parse_object, principal=principal)

    async def service_holders(self, principal: Principal, source_id: int) -> dict[str, Any]:
        """{"items", "call_sites"}: who holds connections of a watched service."""
        require(principal, "pool.holders")
        return await self._caller.guard("GET", f"{_service(source_id)}/holders", parse_object, principal=principal)

    async def service_cleanup(self, principal: Principal, source_id: int, *, dry_run: bool) -> dict[str, Any]:
        """What a cleanup of a watched service's pool did, or (dry run) would do."""
        return await self._clean(principal, _service(source_id), f"source {source_id}", dry_run=dry_run)

    async def _measured(self, principal: Principal, what: str, parse: Callable[[Any], Value]) -> Value | None:
        """What a person may read of the guard's measurements."""
        require(principal, f"pool.{what}")
        try:
            return await self._caller.guard("GET", f"{_GUARD}/{what}", parse, principal=principal)
        except NotFound:
            return None

    async def _optional(self, method: str, path: str, parse: Callable[[Any], Value]) -> Value | None:
        """A guard call to what a server may leave out."""
        try:
            return await self._caller.guard(method, path, parse)
        except NotFound:
            return None

    async def _clean(self, principal: Principal, guard: str, target: str, *, dry_run: bool) -> dict[str, Any]:
        """A cleanup of the pool behind the guard calls at `guard`, or its dry run."""
        require(principal, "pool.cleanup")
        if not dry_run:
            self._acts.prove(principal)
        body, limit_s = ({"dry_run": True}, 2.0) if dry_run else (None, _CLEANUP_LIMIT_S)

        async def clean() -> dict[str, Any]:
            return await self._caller.guard("POST", f"{guard}/force-cleanup", parse_object, principal=principal, body=body, limit_s=limit_s)

        return await (clean() if dry_run else self._acts.audited(principal, "pool.cleanup", target, clean))


def _service(source_id: int) -> str:
    """Where the server passes on the guard calls of a watched service."""
    return f"/scan/data-sources/{source_id}/guard"
