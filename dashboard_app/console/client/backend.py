"""The contract as typed calls: what the console knows of the server it reads from."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from dashboard_app.console.client.caller import Call, Caller
from dashboard_app.console.client.contract import (
    ListedSource,
    parse_health,
    parse_letters,
    parse_metrics,
    parse_object,
    parse_page,
    parse_source,
    parse_throttling,
    source_body,
)
from dashboard_app.model.errors import BackendFailed, NotFound, SpillwayError
from dashboard_app.model.health import Health, Metrics
from dashboard_app.model.pool import ThrottlingConfig
from dashboard_app.model.source import Source, SourceSettings
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require
from dashboard_app.runtime.request_queue import Priority
from dashboard_app.runtime.single_flight import SingleFlight

Value = TypeVar("Value")
_PAGE = 500
_PAGES_AT_MOST = 40
_GUARD = "/api/v1/health/database"
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


def _nothing() -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class ReadHow:
    """How the loader reads one source: `on_start` is called at the real start, after the queue; `urgent`: it is in view."""

    on_start: Callable[[], None] = _nothing
    urgent: bool = False
    is_known_sick: bool = False


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

    async def history(
        self, source_id: int, metric: str, since: datetime, until: datetime, points: int = 300, *, principal: Principal
    ) -> list[list[float | None]]:
        """[[epoch_ms, value], …] of one metric, at most `points` of them, or rows with min and max when the server gives them."""
        require(principal, "sources.read")
        params: dict[str, str | int] = {"metric": metric, "from": _iso(since), "to": _iso(until), "points": points}
        call = Call("GET", f"/scan/data-sources/{source_id}/history", Priority.CLICK, principal=principal, params=params)
        rows: list[list[float | None]] = (await self._caller.ordinary(call, parse_object)).get("points") or []
        return rows

    async def timeline(self, source_id: int, since: datetime, until: datetime, buckets: int, *, principal: Principal) -> str | None:
        """The worst state of each of `buckets` equal spans as letters o w b u, `-` for none; None when the server does not offer it."""
        require(principal, "sources.read")
        params: dict[str, str | int] = {"from": _iso(since), "to": _iso(until), "buckets": buckets}
        call = Call("GET", f"/scan/data-sources/{source_id}/timeline", Priority.CLICK, principal=principal, params=params)
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

    async def force_cleanup(self, principal: Principal, *, dry_run: bool) -> dict[str, Any]:
        """What a cleanup of the pool did, or (dry run) would do."""
        require(principal, "pool.cleanup")
        body, limit_s = ({"dry_run": True}, 2.0) if dry_run else (None, _CLEANUP_LIMIT_S)

        async def clean() -> dict[str, Any]:
            return await self._caller.guard(
                "POST", f"{_GUARD}/force-cleanup", parse_object, principal=principal, body=body, limit_s=limit_s
            )

        return await (clean() if dry_run else self._audited(principal, "pool.cleanup", "pool", clean))

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

        return await self._audited(principal, "drill.run", kind, run)

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
        source_id, word = what
        background = Priority.VIEW if how.urgent else Priority.BACKGROUND
        call = Call(
            "GET",
            f"/scan/data-sources/{source_id}/{word}",
            background if principal is None else Priority.CLICK,
            key=f"source {source_id}",
            may_try=principal is None,
            principal=principal,
            on_start=how.on_start,
            is_known_sick=how.is_known_sick,
        )
        return await flights.run((source_id, principal is not None), lambda: self._caller.ordinary(call, parse))

    async def _optional(self, method: str, path: str, parse: Callable[[Any], Value]) -> Value | None:
        """A guard call to what a server may leave out."""
        try:
            return await self._caller.guard(method, path, parse)
        except NotFound:
            return None

    async def _write(
        self, principal: Principal, call: tuple[str, str, Mapping[str, object] | None], target: str, parse: Callable[[Any], Value]
    ) -> Value:
        """A change of sources: by right, with a click's priority, audited."""
        require(principal, "sources.write")
        method, path, body = call
        click = Call(method, path, Priority.CLICK, principal=principal, body=body)
        return await self._audited(principal, "sources.write", f"{method} {target}", lambda: self._caller.ordinary(click, parse))

    async def _audited(self, principal: Principal, action: str, target: str, act: Callable[[], Awaitable[Value]]) -> Value:
        """Do it and, when the server is another machine's, write down who did what here, failures too."""
        result = "ok"
        try:
            return await act()
        except SpillwayError as failure:
            result = failure.code
            raise
        finally:
            if self.is_remote and self._audit is not None:
                await self._audit.record(principal, action, target, result)


def _iso(at: datetime) -> str:
    """An aware time as the contract writes it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
