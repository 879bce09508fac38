"""What went wrong with a PgBouncer, in plain words. It gives nearly every error the same SQLSTATE, so that its text must tell them apart."""

import asyncpg

from dashboard_app.backend.sources.probes.simple_query import Refusal
from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.backend.sources.probes.words import plain
from dashboard_app.backend.sources.probes.words import reason as reason_of_server

NOT_CONSOLE = "This is not PgBouncer's admin console"
_BY_TEXT = (
    ("authentication failed", "Password rejected for user {username}"),
    ("no such user", "Password rejected for user {username}"),
    ("not allowed", "User {username} is neither in admin_users nor in stats_users of this PgBouncer"),
    ("admin access needed", "User {username} may look but not act: put it into admin_users of this PgBouncer"),
    ("no more connections allowed", "PgBouncer takes no more clients: max_client_conn is reached"),
    ("shutting down", "PgBouncer is shutting down"),
    ("suspend", "PgBouncer is suspended"),
    ("ssl required", "This PgBouncer requires TLS"),
    ("tls required", "This PgBouncer requires TLS"),
)


def reason(error: BaseException, target: Target) -> str:
    """One sentence for `error`, safe to show to anybody who may see the source."""
    if isinstance(error, Refusal):
        return _known(error.message, target) or NOT_CONSOLE if error.sqlstate.startswith("42") else _refused(error.message, target)
    if isinstance(error, asyncpg.PostgresError):
        return _known(str(error.args[0] if error.args else ""), target) or reason_of_server(error, target)
    return reason_of_server(error, target)


def _refused(message: str, target: Target) -> str:
    """Our words where the text is known, else PgBouncer's, cleaned."""
    return _known(message, target) or f"PgBouncer answered: {plain(message)}"


def _known(message: str, target: Target) -> str:
    """Our words for a text of PgBouncer; "" when it is another."""
    told = message.casefold()
    return next((plain(words.format(username=target.username)) for part, words in _BY_TEXT if part in told), "")
