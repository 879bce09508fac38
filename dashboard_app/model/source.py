"""A data source: a database (or another service) that an operator wants to watch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

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


BUILT_KINDS = frozenset({SourceKind.POSTGRESQL})


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
