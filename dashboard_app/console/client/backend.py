"""The contract as typed calls: what the console knows of the server it reads from."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from dashboard_app.console.client import measured
from dashboard_app.console.client.alerts import AlertCalls
from dashboard_app.console.client.caller import Call, Caller
from dashboard_app.console.client.contract import (
    ListedSource,
    parse_health,
    parse_healths,
    parse_letters,
    parse_metrics,
    parse_object,
    parse_page,
    parse_source,
    parse_stats,
    parse_throttling,
    source_body,
)
from dashboard_app.console.client.notifications import NotificationCalls
from dashboard_app.console.client.reading import ReadHow, bulk_call, one_call
from dashboard_app.model.errors import BackendFailed, NotFound
from dashboard_app.model.health import Health, Metrics
from dashboard_app.model.pool import ThrottlingConfig
from dashboard_app.model.pooler import PoolerAct
from dashboard_app.model.source import Source, SourceSettings
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require, require_proof
from dashboard_app.runtime.request_queue import Priority
from dashboard_app.runtime.single_flight import SingleFlight

Value = TypeVar("Value")
_PAGE = 500
_PAGES_AT_MOST = 40
_GUARD = "/api/v1/health/database"
_POOLER_LIMIT_S = 25.0
"""A PAUSE may take 10 s; looking before and after, and taking it back, come on top."""
_RETRIES = 2
"""Of what a person reads and no plan reads again."""
_CLEANUP_LIMIT_S = 10.0
"""A cleanup terminates backends one by one; giving up on its answer early would hide what it did."""


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


_PLAINLY = ReadHow()


def _any(body: Any) -> Any:
    """The body as it is."""
    return body


class Backend:
    """Every call is async, has a time limit and raises errors of `model.errors` only.

    A person's action needs `principal`; the right is checked here first (Forbidden), whatever the server would say. With another
    machine as server the action is audited here, else the server does it.
    """

    def __init__(self, caller: Caller, audit: AuditBook | None = None) -> None:
        """Call through `caller`; `audit` is needed when the server is another machine's."""
        self._caller = caller
        self._audit = audit
        self.alerts = AlertCalls(caller, self.audited)
        self.notifications = NotificationCalls(caller, self.audited)
        self._healths: SingleFlight[Health] = SingleFlight()
        self._metrics: SingleFlight[Metrics] = SingleFlight()

    @property
    def is_remote(self) -> bool:
        """True when the server is another machine's (BACKEND_URL)."""
        return self._caller.wire.is_remote

    async def ping(self) -> bool:
        """True when the server answers. A failure counts for the breaker, a success for nothing."""
        return await self._caller.ping()

    async def sources(self, priority: Priority = Priority.BACKGROUND) -> tuple[ListedSource, ...]:
        """Every registered source, in id order of the server; a call that may be a breaker's trial."""
        items: list[ListedSource] = []
        for page_number in range(_PAGES_AT_MOST):
            offset = page_number * _PAGE
            params: dict[str, str | int] = {"limit": _PAGE, "offset": offset}
            page = await self._caller.ordinary(Call("GET", "/scan/data-sources", priority, may_try=True, params=params), parse_page)
            items += page.items
            if offset + _PAGE >= page.total or not page.items:
                break
        return tuple(items)

    async def health(self, source_id: int, *, principal: Principal | None = None, how: ReadHow = _PLAINLY) -> Health:
        """The health of one source; calls for the same source share one request. `principal`: a person pressed Check now."""
        if principal is not None:
            require(principal, "sources.check")
        return await self._read(self._healths, (source_id, "health"), parse_health, principal, how)

    async def metrics(self, source_id: int, *, principal: Principal | None = None, how: ReadHow = _PLAINLY) -> Metrics:
        """The numbers of one source, as `health`."""
        if principal is not None:
            require(principal, "sources.check")
        return await self._read(self._metrics, (source_id, "stats"), parse_metrics, principal, how)

    async def healths(self, source_ids: Sequence[int], how: ReadHow) -> tuple[Health, ...]:
        """The healths of up to BULK_AT_MOST sources by one request; a server may leave some out, or not offer it (Refused)."""
        return await self._caller.ordinary(bulk_call("health", source_ids, how), parse_healths)

    async def many_metrics(self, source_ids: Sequence[int], how: ReadHow) -> tuple[Metrics, ...]:
        """The numbers of up to BULK_AT_MOST sources by one request, as `healths`."""
        return await self._caller.ordinary(bulk_call("stats", source_ids, how), parse_stats)

    async def history(
        self, source_id: int, metric: str, since: datetime, until: datetime, points: int = 300, *, principal: Principal
    ) -> list[list[float | None]]:
        """[[epoch_ms, value], …] of one metric, at most `points` of them, or rows with min and max when the server gives them."""
        require(principal, "sources.read")
        params: dict[str, str | int] = {"metric": metric, "from": _iso(since), "to": _iso(until), "points": points}
        call = Call("GET", f"/scan/data-sources/{source_id}/history", Priority.CLICK, principal=principal, params=params, retries=_RETRIES)
        rows: list[list[float | None]] = (await self._caller.ordinary(call, parse_object)).get("points") or []
        return rows

    async def timeline(self, source_id: int, since: datetime, until: datetime, buckets: int, *, principal: Principal) -> str | None:
        """The worst state of each of `buckets` equal spans as letters o w b u, `-` for none; None when the server does not offer it."""
        require(principal, "sources.read")
        params: dict[str, str | int] = {"from": _iso(since), "to": _iso(until), "buckets": buckets}
        call = Call("GET", f"/scan/data-sources/{source_id}/timeline", Priority.CLICK, principal=principal, params=params, retries=_RETRIES)
        try:
            return await self._caller.ordinary(call, parse_letters)
        except NotFound:
            return None

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

    async def pool_history(self, principal: Principal, minutes: int = 15) -> dict[str, Any] | None:
        """{"points", "marks"} of the pool's last `minutes`, 1 to 60; None when the server does not offer it."""
        require(principal, "pool.history")
        try:
            return await self._caller.guard("GET", f"{_GUARD}/history?minutes={minutes}", parse_object, principal=principal)
        except NotFound:
            return None

    async def pool_performance(self, principal: Principal) -> measured.Performance | None:
        """Response times per route and how the pool served its checkouts; None when the server does not offer it."""
        return await self._measured(principal, "performance", measured.parse_performance)

    async def pool_clients(self, principal: Principal) -> measured.Clients | None:
        """Who follows the throttling-config; None when the server does not offer it."""
        return await self._measured(principal, "clients", measured.parse_clients)

    async def pool_sizing(self, principal: Principal) -> measured.Sizing | None:
        """The wait that each size of the pool would have given; None when the server does not offer it."""
        return await self._measured(principal, "sizing", measured.parse_sizing)

    async def force_cleanup(self, principal: Principal, *, dry_run: bool) -> dict[str, Any]:
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

    async def pooler(self, source_id: int, principal: Principal) -> dict[str, Any]:
        """A PgBouncer's pools and databases; a source that is down is a BackendFailed with its reason. No queue, no breaker."""
        require(principal, "sources.read")
        return await self._caller.guard(
            "GET", f"/scan/data-sources/{source_id}/pgbouncer/pools", parse_object, principal=principal, limit_s=8.0
        )

    async def pooler_act(
        self, principal: Principal, source_id: int, act: PoolerAct, *, database: str | None, confirm: str
    ) -> dict[str, Any]:
        """What a PgBouncer was told and how it is now. `database` None: all of them; `confirm` is the source's name as it was typed."""
        require(principal, "pooler.act")
        if act is not PoolerAct.RESUME:
            self._prove(principal)
        body = {} if database is None else {"database": database}
        body |= {} if act is PoolerAct.RESUME else {"confirm": confirm}
        path = f"/scan/data-sources/{source_id}/pgbouncer/{act.value}"

        async def do() -> dict[str, Any]:
            return await self._caller.guard("POST", path, parse_object, principal=principal, body=body, limit_s=_POOLER_LIMIT_S)

        return await self.audited(principal, "pooler.act", f"{act.value} source {source_id}", do)

    async def create_source(self, principal: Principal, settings: SourceSettings) -> Source:
        """The source as registered.

        Raises:
            InvalidInput: with the fields that are wrong.
            Conflict: the name is taken.

        """
        body = source_body(settings)
        return await self._write(principal, ("POST", "/scan/data-sources", body), settings.name, parse_source)

    async def update_source(self, principal: Principal, source_id: int, changes: Mapping[str, object]) -> Source:
        """The source after `changes` (names of the contract; a password must be revealed by the caller)."""
        path = f"/scan/data-sources/{source_id}"
        return await self._write(principal, ("PATCH", path, dict(changes)), f"source {source_id}", parse_source)

    async def delete_source(self, principal: Principal, source_id: int) -> None:
        """Delete a source with its history."""
        self._prove(principal)
        path = f"/scan/data-sources/{source_id}"
        await self._write(principal, ("DELETE", path, None), f"source {source_id}", _any)

    async def test_source(self, principal: Principal, settings: SourceSettings) -> dict[str, Any]:
        """The report of a test of settings that are not saved."""
        return await self._write(
            principal, ("POST", "/scan/data-sources/test", source_body(settings)), f"test of {settings.name}", parse_object
        )

    async def drill(self, principal: Principal, kind: str, body: Mapping[str, object]) -> dict[str, Any]:
        """What the drill `kind` (hold, burst, fail) answered; NotFound outside the demo. Not slowed by queue or breaker."""
        require(principal, "drill.run")

        async def run() -> dict[str, Any]:
            return await self._caller.guard(
                "POST", f"/api/v1/drill/{kind}", parse_object, principal=principal, body=dict(body), limit_s=60.0
            )

        return await self.audited(principal, "drill.run", kind, run)

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.wire.close()

    async def _read(
        self,
        flights: SingleFlight[Value],
        what: tuple[int, str],
        parse: Callable[[Any], Value],
        principal: Principal | None,
        how: ReadHow,
    ) -> Value:
        """One reading of one source; a person's click does not join what still waits in the queue behind others."""
        call = one_call(what, principal, how)
        source_id, _ = what
        return await flights.run((source_id, principal is not None), lambda: self._caller.ordinary(call, parse))

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
            self._prove(principal)
        body, limit_s = ({"dry_run": True}, 2.0) if dry_run else (None, _CLEANUP_LIMIT_S)

        async def clean() -> dict[str, Any]:
            return await self._caller.guard("POST", f"{guard}/force-cleanup", parse_object, principal=principal, body=body, limit_s=limit_s)

        return await (clean() if dry_run else self.audited(principal, "pool.cleanup", target, clean))

    async def _write(
        self, principal: Principal, call: tuple[str, str, Mapping[str, object] | None], target: str, parse: Callable[[Any], Value]
    ) -> Value:
        """A change of sources: by right, with a click's priority, audited."""
        require(principal, "sources.write")
        method, path, body = call
        click = Call(method, path, Priority.CLICK, principal=principal, body=body)
        return await self.audited(principal, "sources.write", f"{method} {target}", lambda: self._caller.ordinary(click, parse))

    def _prove(self, principal: Principal) -> None:
        """Ask of a person what this machine alone can know, when the act is another machine's. Raises ProofNeeded."""
        if self.is_remote:
            require_proof(principal, self._caller.clock.now())

    async def audited(self, principal: Principal, action: str, target: str, act: Callable[[], Awaitable[Value]]) -> Value:
        """Do it and, when the server is another machine's, write down who did what here, failures too."""
        if not self.is_remote or self._audit is None:
            return await act()
        async with self._audit.act(principal, action, target):
            return await act()


def _service(source_id: int) -> str:
    """Where the server passes on the guard calls of a watched service."""
    return f"/scan/data-sources/{source_id}/guard"


def _iso(at: datetime) -> str:
    """An aware time as the contract writes it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
