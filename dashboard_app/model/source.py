"""A data source: a database (or another service) that an operator wants to watch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from dashboard_app.model.health import Health
from dashboard_app.model.secret import Secret

OWN_SOURCE_ID = 1
"""The built-in source: Spillway's own database. It follows DATABASE_URL, cannot be deleted, may be disabled."""


class SourceKind(StrEnum):
    """What speaks at the other end. `BUILT_KINDS` names those that have a probe today."""

    POSTGRESQL = "postgresql"
    PGBOUNCER = "pgbouncer"
    MYSQL = "mysql"
    REDIS = "redis"
    HTTP = "http"
    SERVICE = "service"


BUILT_KINDS = frozenset({SourceKind.POSTGRESQL, SourceKind.PGBOUNCER, SourceKind.SERVICE})


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What an operator enters. `password` None: none was given (create: empty; edit: keep the stored one)."""

    name: str
    kind: SourceKind
    host: str
    port: int
    database: str = ""
    username: str = ""
    password: Secret | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""
    tags: tuple[str, ...] = ()
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """A registered source, without its password."""

    id: int
    name: str
    kind: SourceKind
    host: str
    port: int
    database: str
    username: str
    options: Mapping[str, str]
    environment: str
    tags: tuple[str, ...]
    enabled: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source as a page shows it. `health` None: never checked; `recent`: up to 30 letters o w b u, oldest first."""

    source: Source
    health: Health | None
    recent: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the sources that match, in order; `total` counts all that match."""

    items: tuple[SourceView, ...]
    total: int


@dataclass(frozen=True, slots=True)
class TestStep:
    """One step of a trial of settings: name, TCP, TLS, sign in or query (a service: status, holders). `message` says why it failed, or what was found."""

    __test__: ClassVar[bool] = False

    name: str
    ok: bool
    ms: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class TestReport:
    """The steps that were tried, in order; the first failed one is the last."""

    __test__: ClassVar[bool] = False

    ok: bool
    steps: tuple[TestStep, ...]
