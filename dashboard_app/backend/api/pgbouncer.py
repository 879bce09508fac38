"""The calls about a source that is a PgBouncer: its pools, its clients, and what an admin may tell it."""

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from dashboard_app.backend.api.answers import answer
from dashboard_app.backend.api.caller import audited
from dashboard_app.backend.api.deps import ApiDeps
from dashboard_app.backend.api.values import Answer, Body, PathId, Text200
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.pooler import Pooler, PoolerAct, PoolerClient, PoolerDatabase, PoolerPool
from dashboard_app.model.source import Source
from dashboard_app.runtime.routing import acts, strict_router

_PATH = "/scan/data-sources/{source_id}/pgbouncer"
MOST_CLIENTS = 500
"""Clients in one answer, those that wait longest first."""
_FAILURES: dict[int | str, dict[str, Any]] = {
    409: {"description": "It is of another kind or paused, another act is under way, or it is as wanted already."},
    502: {"description": "It does not answer, or not as a PgBouncer does."},
}
DatabaseName = Annotated[Text200, Field(min_length=1)]
ClientId = Annotated[Text200, Field(min_length=1, max_length=40)]


class ResumeIn(Body):
    """Which database; left out: all."""

    database: DatabaseName | None = None


class ActIn(ResumeIn):
    """Which database, left out: all; and the source's name, typed by whoever asks."""

    confirm: Text200


class KillIn(Body):
    """Which client, by the `id` of the list of clients; and the source's name, typed by whoever asks."""

    client: ClientId
    confirm: Text200


class PoolOut(Answer):
    """One pool. `size` null: not known."""

    database: str
    user: str
    mode: str
    clients_active: int
    clients_waiting: int
    servers_active: int
    servers_idle: int
    servers_used: int
    servers_busy: int
    maxwait_s: float
    size: int | None


class DatabaseOut(Answer):
    """One database. `max_connections` null: no limit."""

    name: str
    paused: bool
    disabled: bool
    pool_size: int | None
    max_connections: int | None


class PoolsOut(Answer):
    """A PgBouncer now. `paused` null: its version does not tell whether all of it is paused."""

    data_source_id: int
    read_at: datetime
    version: str
    paused: bool | None
    clients: int
    clients_max: int | None
    pools: list[PoolOut]
    databases: list[DatabaseOut]


class ClientOut(Answer):
    """One client. `id` null: this version gives none."""

    id: str | None
    database: str
    user: str
    state: str
    address: str
    application_name: str
    connected_at: str
    wait_s: float


class ClientsOut(Answer):
    """Clients; `total` counts those left out, too. `can_kill`: this version can end one alone."""

    items: list[ClientOut]
    total: int
    can_kill: bool


class ActedOut(Answer):
    """What was done. `after` null: it was done, and gave no answer about itself any more."""

    command: str
    took_ms: float
    after: PoolsOut | None


def pgbouncer_routes(deps: ApiDeps) -> APIRouter:
    """The routes under `/scan/data-sources/{id}/pgbouncer`."""
    router = strict_router("pgbouncer")
    _add_readings(router, deps)
    for act in (PoolerAct.PAUSE, PoolerAct.RECONNECT):
        router.add_api_route(
            f"{_PATH}/{act.value}",
            _confirmed(deps, act),
            methods=["POST"],
            response_model=ActedOut,
            responses=_FAILURES,
            openapi_extra=acts("pooler.act"),
        )
    _add_resume_and_kill(router, deps)
    return router


def _add_readings(router: APIRouter, deps: ApiDeps) -> None:
    """Pools and clients."""

    @router.get(f"{_PATH}/pools", response_model=PoolsOut, responses=_FAILURES, openapi_extra=acts("sources.read"))
    async def pools_of_one(source_id: PathId) -> Response:
        """Its pools and databases now, unless they were read less than 1 s ago. 409 `wrong_kind` for another kind, 502 when it is down."""
        return answer(_picture(deps, source_id, await deps.poolers.picture(source_id)))

    @router.get(f"{_PATH}/clients", response_model=ClientsOut, responses=_FAILURES, openapi_extra=acts("pooler.clients"))
    async def clients_of_one(source_id: PathId) -> Response:
        """Its clients now, those that wait longest first, at most 500."""
        clients = await deps.poolers.clients(source_id)
        can_kill = any(client.id for client in clients)
        return answer({"items": [_client(one) for one in clients[:MOST_CLIENTS]], "total": len(clients), "can_kill": can_kill})


def _confirmed(deps: ApiDeps, act: PoolerAct) -> Callable[..., Coroutine[Any, Any, Response]]:
    """The handler of an act on one database or all that needs the source's name."""

    async def handle(request: Request, source_id: PathId, body: ActIn) -> Response:
        return await _do(deps, request, source_id, act, confirm=body.confirm, database=body.database)

    handle.__name__ = f"{act.value}_one"
    handle.__doc__ = {
        PoolerAct.PAUSE: "Let transactions under way end, then keep clients waiting until it is resumed. Taken back when it takes 10 s.",
        PoolerAct.RECONNECT: "Close every server connection as soon as it is free, so that new ones are made.",
    }[act]
    return handle


def _add_resume_and_kill(router: APIRouter, deps: ApiDeps) -> None:
    """The act that needs no confirmation, and the one on a client."""

    @router.post(f"{_PATH}/resume", response_model=ActedOut, responses=_FAILURES, openapi_extra=acts("pooler.act"))
    async def resume_one(request: Request, source_id: PathId, body: ResumeIn | None = None) -> Response:
        """Let the clients of a paused database go on."""
        return await _do(deps, request, source_id, PoolerAct.RESUME, database=body.database if body else None)

    @router.post(f"{_PATH}/kill-client", response_model=ActedOut, responses=_FAILURES, openapi_extra=acts("pooler.act"))
    async def kill_client_of_one(request: Request, source_id: PathId, body: KillIn) -> Response:
        """End one client connection. 409 `not_supported_by_server` where this version of PgBouncer cannot."""
        return await _do(deps, request, source_id, PoolerAct.KILL_CLIENT, confirm=body.confirm, client=body.client)


async def _do(
    deps: ApiDeps,
    request: Request,
    source_id: int,
    act: PoolerAct,
    *,
    confirm: str | None = None,
    database: str | None = None,
    client: str | None = None,
) -> Response:
    """Check the confirmation, do it, and leave a row in the audit, however it ended."""
    named = {"database": database, "client": client}
    details = {"event": act.value, **{name: value for name, value in named.items() if value is not None}}
    async with audited(deps, request, "pooler.act", f"source {source_id}", details, needs_proof=act is not PoolerAct.RESUME) as noted:
        source = await deps.sources.get(source_id)
        noted["target"] = f"{source.name} (source {source.id})"
        if confirm is not None:
            _check_confirmation(source, confirm)
        done = await deps.poolers.act(source_id, act, database=database, client=client)
        noted.update(command=done.command, took_ms=done.took_ms)
    after = None if done.after is None else _picture(deps, source_id, done.after)
    return answer({"command": done.command, "took_ms": done.took_ms, "after": after})


def _check_confirmation(source: Source, confirm: str) -> None:
    """Return when `confirm` is the source's name; raises InvalidInput."""
    if confirm.strip() != source.name:
        message = "must be the name of the source"
        raise InvalidInput(f"confirm: {message}", ({"field": "confirm", "message": message},))


def _picture(deps: ApiDeps, source_id: int, picture: Pooler) -> dict[str, Any]:
    """A PgBouncer as the answer spells it."""
    return {
        "data_source_id": source_id,
        "read_at": deps.clock.now(),
        "version": picture.version,
        "paused": picture.is_paused,
        "clients": int(picture.clients),
        "clients_max": _whole(picture.clients_max),
        "pools": [_pool(pool) for pool in picture.pools],
        "databases": [_database(database) for database in picture.databases],
    }


def _pool(pool: PoolerPool) -> dict[str, Any]:
    """One pool."""
    whole = ("clients_active", "clients_waiting", "servers_active", "servers_idle", "servers_used", "servers_busy")
    return {
        "database": pool.database,
        "user": pool.user,
        "mode": pool.mode,
        **{name: int(getattr(pool, name)) for name in whole},
        "maxwait_s": round(pool.maxwait_s, 3),
        "size": _whole(pool.size),
    }


def _database(database: PoolerDatabase) -> dict[str, Any]:
    """One database."""
    return {
        "name": database.name,
        "paused": database.is_paused,
        "disabled": database.is_disabled,
        "pool_size": _whole(database.pool_size),
        "max_connections": _whole(database.max_connections),
    }


def _client(client: PoolerClient) -> dict[str, Any]:
    """One client."""
    return {
        "id": client.id or None,
        "database": client.database,
        "user": client.user,
        "state": client.state,
        "address": client.address,
        "application_name": client.application,
        "connected_at": client.connected_at,
        "wait_s": round(client.wait_s, 3),
    }


def _whole(value: float | None) -> int | None:
    """A count, or null."""
    return None if value is None else int(value)
