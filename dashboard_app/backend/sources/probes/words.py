"""What went wrong with a source, in plain words. The driver's text is never shown; the server's is cut short and cleaned."""

import errno
import ssl
import unicodedata

import asyncpg

from dashboard_app.backend.sources.probes.target import Target

TEXT_LIMIT = 200
NOT_POSTGRESQL = "Something answers there, but it does not speak PostgreSQL's protocol"
_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
_CLOSED = "The server closed the connection"
_BY_SQLSTATE = {
    **dict.fromkeys(("08000", "08001", "08003", "08006"), _CLOSED),  # raised by the driver, too, with its own text
    "28P01": "Password rejected for user {username}",
    "28000": "Sign-in refused for user {username}: the server's access rules do not allow it",
    "3D000": "Database {database} does not exist",
    "53300": "The server has no free connection slot",
    "57P03": "The server is starting up or shutting down",
    "57P01": "The server ended the connection: it is shutting down, or an administrator closed it",
    "57P02": "The server ended the connection after a crash",
    "57014": "The query was stopped by its time limit",
    "55P03": "The query waited too long for a lock",
    "42501": "User {username} is not allowed to do this",
    "08P01": "The server refused the connection's settings; a connection pooler may stand in between",
}


def reason(error: BaseException, target: Target) -> str:
    """One sentence for `error`, safe to show to anybody who may see the source."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate:
        return _of_server(error, target)
    if isinstance(error, ssl.SSLError):
        return _of_tls(error)
    if isinstance(error, ConnectionRefusedError):
        return f"Connection refused: nothing listens at {target.host}:{target.port}"
    if isinstance(error, (ConnectionError, EOFError)):
        return _CLOSED
    if isinstance(error, OSError):
        return f"There is no way to {target.host} from here" if error.errno in _UNREACHABLE else "The connection could not be made"
    return NOT_POSTGRESQL


def no_answer(limit_s: float, step: str) -> str:
    """The sentence for a time limit that passed at `step`."""
    return f"No answer within {limit_s:g} s at step {step}"


def plain(text: str) -> str:
    """`text` on one line without control or formatting characters, at most TEXT_LIMIT characters."""
    kept = "".join(" " if character.isspace() else character for character in text)
    kept = "".join(character for character in kept if not unicodedata.category(character).startswith("C"))
    kept = " ".join(kept.split())
    return kept if len(kept) <= TEXT_LIMIT else kept[: TEXT_LIMIT - 1] + "…"


def _of_tls(error: ssl.SSLError) -> str:
    """What is wrong with the certificate, or that the handshake failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The server's TLS certificate is not accepted: {plain(error.verify_message)}"
    return "The TLS handshake failed"


def _of_server(error: asyncpg.PostgresError, target: Target) -> str:
    """Our own words where the SQLSTATE says enough, else the server's message, cleaned."""
    known = _BY_SQLSTATE.get(str(error.sqlstate))
    if known is not None:
        return plain(known.format(username=target.username, database=target.database))
    return f"The server answered: {plain(str(error.args[0] if error.args else ''))} ({plain(str(error.sqlstate))})"
