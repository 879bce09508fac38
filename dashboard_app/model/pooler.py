"""What a connection pooler (PgBouncer) says of itself: its pools, its databases, its clients. A number it does not tell is None."""

from dataclasses import dataclass
from enum import StrEnum


class PoolerAct(StrEnum):
    """What an admin may tell a pooler to do."""

    PAUSE = "pause"
    RESUME = "resume"
    RECONNECT = "reconnect"
    KILL_CLIENT = "kill-client"


@dataclass(frozen=True, slots=True)
class PoolerPool:
    """One pool: a database and a user. `servers_busy`: those that serve a client, log in or are tested; `size` is its limit of servers."""

    database: str
    user: str
    mode: str
    clients_active: float
    clients_waiting: float
    servers_busy: float
    servers_active: float
    servers_idle: float
    servers_used: float
    maxwait_s: float
    size: float | None


@dataclass(frozen=True, slots=True)
class PoolerDatabase:
    """One database. `max_connections` None: no limit beside its pools' sizes."""

    name: str
    is_paused: bool
    is_disabled: bool
    pool_size: float | None
    max_connections: float | None


@dataclass(frozen=True, slots=True)
class Pooler:
    """All of it at one moment. `is_paused` None: this version does not tell whether the whole pooler is paused."""

    version: str
    pools: tuple[PoolerPool, ...]
    databases: tuple[PoolerDatabase, ...]
    clients: float
    clients_max: float | None
    is_paused: bool | None


@dataclass(frozen=True, slots=True)
class PoolerClient:
    """One client connection. `id` "": this version gives none, so that it cannot be ended alone."""

    id: str
    database: str
    user: str
    state: str
    address: str
    application: str
    connected_at: str
    wait_s: float
