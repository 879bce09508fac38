"""The contract as typed calls: what the console knows of the server it reads from."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from dashboard_app.console.client.acts import Acts, AuditBook
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
    source_body,
)
from dashboard_app.console.client.guard import GuardCalls
from dashboard_app.console.client.notifications import NotificationCalls
from dashboard_app.console.client.reading import ReadHow, bulk_call, one_call
from dashboard_app.model.errors import NotFound
from dashboard_app.model.health import Health, Metrics
from dashboard_app.model.pooler import PoolerAct
from dashboard_app.model.source import Source, SourceSettings
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require
from dashboard_app.runtime.request_queue import Priority
from dashboard_app.runtime.single_flight import SingleFlight

Value = TypeVar("Value")
_PAGE = 500
_PAGES_AT_MOST = 40
_POOLER_LIMIT_S = 25.0
"""A PAUSE may take 10 s; looking before and after, and taking it back, come on top."""
_RETRIES = 2
"""Of what a person reads and no plan reads again."""
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
        self.acts = Acts(caller, audit)
        self.guard = GuardCalls(caller, self.acts)
        self.alerts = AlertCalls(caller, self.acts.audited)
        self.notifications = NotificationCalls(caller, self.acts.audited)
        self._healths: SingleFlight[Health] = SingleFlight()
        self._metrics: SingleFlight[Metrics] = SingleFlight()

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
            self.acts.prove(principal)
        body = {} if database is None else {"database": database}
        body |= {} if act is PoolerAct.RESUME else {"confirm": confirm}
        path = f"/scan/data-sources/{source_id}/pgbouncer/{act.value}"

        async def do() -> dict[str, Any]:
            return await self._caller.guard("POST", path, parse_object, principal=principal, body=body, limit_s=_POOLER_LIMIT_S)

        return await self.acts.audited(principal, "pooler.act", f"{act.value} source {source_id}", do)

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
        self.acts.prove(principal)
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

        return await self.acts.audited(principal, "drill.run", kind, run)

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

    async def _write(
        self, principal: Principal, call: tuple[str, str, Mapping[str, object] | None], target: str, parse: Callable[[Any], Value]
    ) -> Value:
        """A change of sources: by right, with a click's priority, audited."""
        require(principal, "sources.write")
        method, path, body = call
        click = Call(method, path, Priority.CLICK, principal=principal, body=body)
        return await self.acts.audited(principal, "sources.write", f"{method} {target}", lambda: self._caller.ordinary(click, parse))


def _iso(at: datetime) -> str:
    """An aware time as the contract writes it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
