"""The two engines on Spillway's own database: the guarded pool and, outside the guard, the control pool of two.

Connections are built from the fields of a `DatabaseAddress`: no PG* variable, password file or service file of this process is
ever read for one.
"""

import asyncio
import contextlib
import ipaddress
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import cache
from typing import Any, TypeVar

import asyncpg
import orjson
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.settings import Settings
from dashboard_app.store.address import DatabaseAddress

__all__ = ["ANSWER_LIMIT_S", "APPLICATION_NAME", "Database", "DatabaseAddress", "connect", "unavailable_errors", "within"]

T = TypeVar("T")

APPLICATION_NAME = "spillway"
ANSWER_LIMIT_S = 2.0
"""Limit of one connect and of one statement: with the driver's own defaults a frozen server hangs a caller for ever (measured)."""
CONTROL_CONNECTIONS = 2
CONTROL_WAIT_S = 1.0
_CONTROL_RECYCLE_S = 3600
_AWAY_SQLSTATES = ("08", "28", "53", "57P", "3D", "42P01")
"""Connection, authorization, out of resources, shutting down, no such database; and no such table: it is not prepared yet."""


class Database:
    """Spillway's own database. The constructor does no I/O; the address is asked for at each connect."""

    def __init__(self, address: Callable[[], DatabaseAddress], settings: Settings) -> None:
        """Build both engines; nothing connects before the first checkout."""
        self._address = address
        direct = settings.database_direct_url
        self.is_pooled = direct is not None
        """True when a connection pooler stands between both engines and the server."""
        self._direct = None if direct is None else DatabaseAddress.from_url(direct.get_secret_value(), "SPILLWAY_DATABASE_DIRECT_URL")
        self.engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            connect_args=self._connect_args(APPLICATION_NAME),
            pool_size=settings.pool_size,
            max_overflow=settings.pool_max_overflow,
            pool_timeout=settings.pool_timeout_s,
            pool_recycle=int(settings.pool_recycle_s) or 1,
            pool_pre_ping=settings.pool_pre_ping,
            pool_use_lifo=True,
            hide_parameters=True,
            json_deserializer=orjson.loads,  # as it was read: a number of 300 digits stays a float
        )
        self.control: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            connect_args=self._connect_args(f"{APPLICATION_NAME}-control"),
            pool_size=CONTROL_CONNECTIONS,
            max_overflow=0,
            pool_timeout=CONTROL_WAIT_S,
            pool_recycle=_CONTROL_RECYCLE_S,
            pool_pre_ping=True,
            pool_use_lifo=True,
            hide_parameters=True,
            json_deserializer=orjson.loads,  # as it was read: a number of 300 digits stays a float
        )

    def address(self) -> DatabaseAddress:
        """Where the database is now, or the pooler before it."""
        return self._address()

    def direct_address(self) -> DatabaseAddress:
        """Where the database itself is now: for what needs one session for long, as migrations do."""
        return self._address() if self._direct is None else self._direct

    async def ping(self, timeout_s: float = ANSWER_LIMIT_S) -> float:
        """Milliseconds that one statement took over the control pool.

        Raises:
            DatabaseUnavailable: no answer within `timeout_s`; the caller waits no longer than that.

        """
        began = time.perf_counter()
        await self.on_control(_select_one, timeout_s)
        return (time.perf_counter() - began) * 1000

    async def on_control(self, work: Callable[[AsyncConnection], Awaitable[T]], limit_s: float = ANSWER_LIMIT_S) -> T:
        """What `work` returns, run in one transaction on a control connection; it is committed when `work` returns.

        Raises:
            DatabaseUnavailable: no answer within `limit_s`; the caller waits no longer. Whether it was committed is then not known.

        """

        async def run() -> T:
            async with self.control.begin() as connection:
                return await work(connection)

        with unavailable_errors():
            return await within(run(), limit_s)

    async def close(self) -> None:
        """Close every idle connection of both pools; waits at most a few seconds for a server that is silent."""
        with contextlib.suppress(TimeoutError):
            await within(_dispose(self.engine, self.control), 2 * ANSWER_LIMIT_S)

    def _connect_args(self, application_name: str) -> dict[str, Any]:
        """How an engine gets one driver connection.

        Behind a pooler no statement is prepared for longer than its transaction: the next one may run in another session of the server.
        """
        cache = {"statement_cache_size": 0} if self.is_pooled else {}

        async def create(**_: object) -> asyncpg.Connection:
            return await connect(self._address(), application_name=application_name, **cache)

        unprepared = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": _unnamed} if self.is_pooled else {}
        return {"async_creator_fn": create, **unprepared}


def _unnamed() -> str:
    """The name of the one statement that PostgreSQL forgets at the next: every version of every pooler lets it pass."""
    return ""


async def _select_one(connection: AsyncConnection) -> None:
    """One round trip."""
    await connection.execute(text("SELECT 1"))


async def _dispose(*engines: AsyncEngine) -> None:
    """Close what the engines hold."""
    for engine in engines:
        await engine.dispose()


_LEFT_BEHIND: set[asyncio.Task[Any]] = set()
"""Statements whose caller may go on without them; kept so that they are not collected before the driver ends them."""


async def within(work: Coroutine[Any, Any, T], limit_s: float) -> T:
    """What `work` returns, or TimeoutError after `limit_s` without waiting for its clean-up.

    The driver may take two seconds more to give up a silent connection; that goes on in the background.
    """
    task = asyncio.ensure_future(work)
    _LEFT_BEHIND.add(task)
    task.add_done_callback(_forget)
    try:
        done, _ = await asyncio.wait({task}, timeout=limit_s)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        raise TimeoutError(f"no answer within {limit_s:g} s")
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    """Drop a finished task and read its error, so that nobody warns about it."""
    _LEFT_BEHIND.discard(task)
    if not task.cancelled():
        task.exception()


@contextlib.contextmanager
def unavailable_errors() -> Iterator[None]:
    """Inside, an error that means "the database is away" becomes DatabaseUnavailable; every other error passes as it is."""
    try:
        yield
    except (OSError, TimeoutError, asyncpg.InterfaceError, PoolTimeout) as error:
        raise DatabaseUnavailable("The database does not answer.") from error
    except asyncpg.PostgresError as error:
        if _is_away(getattr(error, "sqlstate", None)):
            raise DatabaseUnavailable("The database refuses connections.") from error
        raise
    except DBAPIError as error:
        if error.connection_invalidated or _is_away(getattr(error.orig, "sqlstate", None)) or _is_closed(error):
            raise DatabaseUnavailable("The connection to the database broke.") from error
        raise


def _is_away(sqlstate: str | None) -> bool:
    """True for the SQLSTATE classes that say the database cannot be used now."""
    return bool(sqlstate) and str(sqlstate).startswith(_AWAY_SQLSTATES)


def _is_closed(error: DBAPIError) -> bool:
    """True when the driver says that the connection is gone without an SQLSTATE."""
    return type(error.orig).__name__ == "InterfaceError"


async def connect(
    address: DatabaseAddress,
    *,
    application_name: str = APPLICATION_NAME,
    timeout_s: float = ANSWER_LIMIT_S,
    command_timeout_s: float = ANSWER_LIMIT_S,
    statement_cache_size: int = 100,
) -> asyncpg.Connection:
    """A driver connection built from fields alone; `prefer` and `allow` may fall back as libpq's do.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError: as the driver does; see `unavailable_errors`.

    """
    attempts = _tls_attempts(address)
    for number, tls in enumerate(attempts, start=1):
        try:
            return await asyncpg.connect(
                host=address.host,
                port=address.port,
                user=address.user,
                password=address.password.reveal(),
                database=address.database,
                passfile="/dev/null",
                ssl=tls,
                direct_tls=False,
                target_session_attrs="any",
                krbsrvname="postgres",
                gsslib="gssapi",
                timeout=timeout_s,
                command_timeout=command_timeout_s,
                statement_cache_size=statement_cache_size,
                server_settings={"application_name": application_name},
            )
        except (ConnectionError, asyncpg.InvalidAuthorizationSpecificationError) as error:
            if number == len(attempts) or isinstance(error, (ConnectionRefusedError, asyncpg.InvalidPasswordError)):
                raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _tls_attempts(address: DatabaseAddress) -> tuple[ssl.SSLContext | bool, ...]:
    """What to try, in order. On loopback `prefer` tries clear text first: there is nobody in between."""
    if address.sslmode == "disable" or address.host.startswith("/"):
        return (False,)
    if address.sslmode == "allow" or (address.sslmode == "prefer" and is_loopback(address.host)):
        return (False, _context(address.sslmode))
    if address.sslmode == "prefer":
        return (_context(address.sslmode), False)
    return (_context(address.sslmode),)


@cache
def _context(sslmode: str) -> ssl.SSLContext:
    """A TLS context: verify-ca and verify-full check the certificate against the machine's authorities, the rest only encrypt.

    Made once: reading the authorities keeps the loop busy for 20 ms, which every guard call would feel while a stopped server is tried.
    """
    if sslmode in {"verify-ca", "verify-full"}:
        context = ssl.create_default_context()
        context.check_hostname = sslmode == "verify-full"
        return context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def is_loopback(host: str) -> bool:
    """True for localhost and the loopback addresses."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
