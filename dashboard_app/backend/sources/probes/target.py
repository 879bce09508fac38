"""What a probe connects to: fields only, no DSN, and nothing of this process's environment."""

import ipaddress
from dataclasses import dataclass

from dashboard_app.model.secret import Secret
from dashboard_app.model.source import Source, SourceKind, SourceSettings

CONSOLE = "pgbouncer"
"""The database that is PgBouncer's admin console."""
SSL_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class Target:
    """One PostgreSQL database and how to sign in. `host` beginning with a slash is a socket's folder (own database only).

    Of a service: `password` is its bearer token, `base_path` stands before the guard's own paths; database and username are empty.
    """

    host: str
    port: int
    database: str
    username: str
    password: Secret
    sslmode: str
    sslrootcert: str = ""
    base_path: str = ""
    is_own: bool = False
    """Spillway's own database: its address is a setting, so it may be a socket, and lie where no source may point."""


def target_of(fields: Source | SourceSettings, password: Secret) -> Target:
    """The target these fields mean: an empty database is the one named like the user (PgBouncer: its console), an empty sslmode the safe default."""
    sslmode = fields.options.get("sslmode") or default_sslmode(fields.host)
    if fields.kind is SourceKind.SERVICE:
        sslmode = "disable" if sslmode == "prefer" else sslmode  # HTTP is plain or encrypted from its first byte
        return Target(
            fields.host, fields.port, "", "", password, sslmode, fields.options.get("sslrootcert", ""), fields.options.get("base_path", "")
        )
    database = fields.database or (CONSOLE if fields.kind is SourceKind.PGBOUNCER else fields.username)
    return Target(fields.host, fields.port, database, fields.username, password, sslmode, fields.options.get("sslrootcert", ""))


def default_sslmode(host: str) -> str:
    """`prefer` for loopback, where nobody listens in between; else `verify-full`."""
    if host.lower() == "localhost" or host.startswith("/"):
        return "prefer"
    try:
        return "prefer" if ipaddress.ip_address(host).is_loopback else "verify-full"
    except ValueError:
        return "verify-full"
