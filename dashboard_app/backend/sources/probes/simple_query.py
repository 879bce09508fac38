"""Rows over PostgreSQL's simple query protocol, on a connection that asyncpg has signed in.

PgBouncer's admin console knows no other protocol, and asyncpg throws the rows of a simple query away: see docs/adr/0007-pgbouncer-console.md.
"""

import asyncio
import struct

import asyncpg

_HEAD = struct.Struct("!cI")
_LENGTH = struct.Struct("!i")
ANSWER_LIMIT_BYTES = 8 * 1024 * 1024
"""One answer may be this long: 20,000 clients. More is a stranger's flood, and the connection is cut."""

Row = dict[str, str | None]


class Refusal(Exception):
    """The server answered with an error. Its message is the server's own text."""

    def __init__(self, sqlstate: str, message: str) -> None:
        """Keep both."""
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message


class SimpleQuery:
    """Asks one query after the other. Time limits are the caller's: after a cancelled question the connection must be dropped."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        """Take over the signed-in connection: asyncpg hears nothing of it from now on, save its end."""
        self._connection = connection
        self._transport: asyncio.Transport = connection._transport  # noqa: SLF001 - the one private name; see the ADR
        self._answers = _Answers(self._transport)
        self._transport.set_protocol(self._answers)

    @property
    def is_closed(self) -> bool:
        """True when nothing more can be asked."""
        return self._answers.is_lost or self._transport.is_closing()

    async def rows(self, query: str) -> list[Row]:
        """The rows of `query`, each a text or None by column name.

        Raises:
            Refusal: the server answered with an error. ConnectionError: it closed the connection, or sent what is no answer.

        """
        if self.is_closed:
            raise ConnectionResetError
        text = query.encode() + b"\0"
        answer = self._answers.next()
        self._transport.write(_HEAD.pack(b"Q", len(text) + 4) + text)
        return _rows(await answer)

    def close(self) -> None:
        """Say goodbye and cut the connection; waits for nothing."""
        if not self.is_closed:
            self._transport.write(_HEAD.pack(b"X", 4))
            self._transport.close()
        self._connection.terminate()

    def drop(self) -> None:
        """Cut the connection without a word."""
        self._transport.abort()
        self._connection.terminate()


class _Answers(asyncio.Protocol):
    """Gathers messages up to the server's ReadyForQuery."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._bytes = bytearray()
        self._messages: list[tuple[bytes, bytes]] = []
        self._seen_bytes = 0
        self._waiting: asyncio.Future[list[tuple[bytes, bytes]]] | None = None
        self.is_lost = False

    def next(self) -> asyncio.Future[list[tuple[bytes, bytes]]]:
        """The answer to the question that is asked right after."""
        self._messages, self._seen_bytes = [], 0
        self._waiting = asyncio.get_running_loop().create_future()
        return self._waiting

    def data_received(self, data: bytes) -> None:
        """Take in what came."""
        self._bytes += data
        self._seen_bytes += len(data)
        if self._seen_bytes > ANSWER_LIMIT_BYTES:
            self._transport.abort()
            return
        while len(self._bytes) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._bytes)
            if not 4 <= length <= ANSWER_LIMIT_BYTES:  # noqa: PLR2004 - the length counts itself
                self._transport.abort()
                return
            if len(self._bytes) < length + 1:
                return
            self._messages.append((kind, bytes(self._bytes[_HEAD.size : length + 1])))
            del self._bytes[: length + 1]
            if kind == b"Z" and self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(self._messages)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody waits any longer."""
        self.is_lost = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc if isinstance(exc, ConnectionError) else ConnectionResetError())


def _rows(messages: list[tuple[bytes, bytes]]) -> list[Row]:
    """The rows in an answer; raises Refusal for the error in it, ConnectionResetError for bytes that are no messages."""
    names: list[str] = []
    rows: list[Row] = []
    try:
        for kind, body in messages:
            if kind == b"E":
                raise _refusal(body)
            if kind == b"T":
                names = _names(body)
            elif kind == b"D":
                rows.append(dict(zip(names, _values(body), strict=True)))
    except (struct.error, IndexError, ValueError) as error:
        raise ConnectionResetError from error
    return rows


def _names(body: bytes) -> list[str]:
    """The column names of a RowDescription: after each, 18 bytes that do not matter here."""
    names, place = [], 2
    for _ in range(int.from_bytes(body[:2], "big")):
        end = body.index(b"\0", place)
        names.append(body[place:end].decode())
        place = end + 19
    return names


def _values(body: bytes) -> list[str | None]:
    """The values of a DataRow; a length of -1 is NULL."""
    values: list[str | None] = []
    place = 2
    for _ in range(int.from_bytes(body[:2], "big")):
        (length,) = _LENGTH.unpack_from(body, place)
        place += 4
        if length < 0:
            values.append(None)
            continue
        if place + length > len(body):
            raise ValueError(length)
        values.append(body[place : place + length].decode())
        place += length
    return values


def _refusal(body: bytes) -> Refusal:
    """The error in an ErrorResponse: fields of one letter each."""
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return Refusal(fields.get(b"C", ""), fields.get(b"M", ""))
