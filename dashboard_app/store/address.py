"""Where a PostgreSQL database is and how to sign in: a value, built from a URL or by the embedded server."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from dashboard_app.model.errors import StartRefused
from dashboard_app.model.secret import Secret

_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Everything a connection needs; the password prints as dots."""

    host: str
    port: int
    database: str
    user: str
    password: Secret
    sslmode: str = "prefer"

    @classmethod
    def from_url(cls, url: str, setting: str = "SPILLWAY_DATABASE_URL") -> Self:
        """The address in a `postgresql://user:password@host:port/database?sslmode=…` URL, whatever driver its scheme names; `setting` held it.

        Raises:
            StartRefused: the URL is not such a one; the message never holds the password.

        """
        try:
            parts = urlsplit(url.strip())
        except ValueError as error:
            raise StartRefused(f"{setting}: is not a URL: postgresql://user:password@host:5432/database") from error
        if parts.scheme.partition("+")[0] not in {"postgresql", "postgres"}:
            raise StartRefused(f"{setting}: must start with postgresql://")
        try:
            port = parts.port or 5432
        except ValueError as error:
            raise StartRefused(f"{setting}: the port must be a number from 1 to 65535") from error
        options = dict(parse_qsl(parts.query))
        sslmode = options.get("sslmode", "prefer")
        if sslmode not in _SSL_MODES:
            raise StartRefused(f"{setting}: sslmode must be one of {', '.join(_SSL_MODES)}")
        user = unquote(parts.username or "")
        database = unquote(parts.path.lstrip("/")) or user
        if not parts.hostname or not user or not database:
            raise StartRefused(f"{setting}: needs a user, a host and a database: postgresql://user:password@host:5432/database")
        return cls(parts.hostname, port, database, user, Secret(unquote(parts.password or "")), sslmode)
