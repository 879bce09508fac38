"""One PostgreSQL connection, made step by step from fields: name, TCP, TLS, sign in.

asyncpg fills every gap it is left from PG* variables, ~/.pgpass, service files and ~/.postgresql/*. Here no gap is left: address, user,
password, database, TLS and session attributes are always given, and TLS always as a context of our own. A short knock before the sign-in
tells the steps apart and learns whether the server offers TLS, which asyncpg would only tell by an error's text.
"""

import asyncio
import contextlib
import os
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg

from dashboard_app.backend.sources.probes.names import NAME_STEP, Resolver
from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.backend.sources.probes.words import NOT_POSTGRESQL, no_answer
from dashboard_app.model.errors import ProbeFailed
from dashboard_app.model.source import TestStep

TCP_STEP, TLS_STEP, SIGN_IN_STEP, QUERY_STEP = "TCP", "TLS", "sign in", "query"
APPLICATION_NAME = "spillway"
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # protocol chapter "SSLRequest": length, code
_PLAIN_ALLOWED = frozenset({"allow", "prefer"})


@dataclass(slots=True)
class Steps:
    """The steps done so far, with their time, and the one under way."""

    current: str = NAME_STEP
    done: list[TestStep] = field(default_factory=list)
    _began: float = field(default_factory=time.perf_counter)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Within: `name` is under way; after, when nothing was raised, it is done."""
        self.current, self._began = name, time.perf_counter()
        yield
        self.done.append(TestStep(name, ok=True, ms=round(self.elapsed_ms(), 3)))

    def note(self, message: str) -> None:
        """Say what the last done step found."""
        self.done[-1] = replace(self.done[-1], message=message)

    def elapsed_ms(self) -> float:
        """How long the present step has taken, in ms."""
        return (time.perf_counter() - self._began) * 1000


class _NamedContext(ssl.SSLContext):
    """A TLS context that checks the source's own name, though the connection is made to an address."""

    host = ""

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """The TLS object, with the name replaced."""
        server_side = bool(args[0]) if args else bool(kwargs.get("server_side", False))
        return super().wrap_bio(incoming, outgoing, server_side=server_side, server_hostname=self.host)


def server_limits(limit_s: float) -> Mapping[str, str]:
    """The settings by which a server itself stops a statement shortly before `limit_s`."""
    return {
        "statement_timeout": str(max(int(limit_s * 900), 1)),
        "lock_timeout": str(max(int(limit_s * 500), 1)),
        "jit": "off",
    }


async def open_connection(
    target: Target, resolver: Resolver, steps: Steps, limit_s: float, *, limits: Mapping[str, str] | None = None
) -> asyncpg.Connection:
    """A signed-in connection named `spillway` with the server settings `limits`; None: those of `server_limits`.

    The caller holds the time limit of the whole. Raises what the system and the driver raise, and ProbeFailed.
    """
    if target.is_own and target.host.startswith("/"):
        address, tls = target.host, None
    else:
        address, tls = await _knock(target, resolver, steps)
    with steps.step(SIGN_IN_STEP):
        return await asyncpg.connect(
            host=address,
            port=target.port,
            user=target.username,
            password=target.password.reveal(),
            database=target.database,
            passfile=os.devnull,
            ssl=tls or False,
            direct_tls=False,
            target_session_attrs="any",
            krbsrvname="postgres",
            gsslib="gssapi",
            timeout=limit_s,
            command_timeout=limit_s,
            server_settings={"application_name": APPLICATION_NAME, **(server_limits(limit_s) if limits is None else limits)},
        )


async def _knock(target: Target, resolver: Resolver, steps: Steps) -> tuple[str, ssl.SSLContext | None]:
    """The first address that accepts, and the TLS context to sign in with (None: without TLS)."""
    with steps.step(NAME_STEP):
        addresses = await resolver.resolve(target.host, is_own=target.is_own)
    with steps.step(TCP_STEP):
        address, reader, writer = await _first_that_accepts(addresses, target.port)
    try:
        with steps.step(TLS_STEP):
            tls = await _handshake(target, reader, writer)
    finally:
        writer.transport.abort()
    steps.note("encrypted" if tls else "not encrypted")
    return address, tls


async def _first_that_accepts(addresses: tuple[str, ...], port: int) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
    """Try the addresses in order; the last failure is raised when none accepts."""
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return (address, *await asyncio.open_connection(address, port))
    return (addresses[-1], *await asyncio.open_connection(addresses[-1], port))


async def _handshake(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> ssl.SSLContext | None:
    """Ask for TLS as the mode says; None when the connection goes on without."""
    if target.sslmode == "disable":
        return None
    writer.write(_SSL_REQUEST)
    answer = await reader.readexactly(1)
    if answer == b"S":
        context = await asyncio.to_thread(tls_context, target)
        await writer.start_tls(context, server_hostname=target.host)
        return context
    if answer not in {b"N", b"E"}:
        raise ProbeFailed(NOT_POSTGRESQL, step=TLS_STEP)
    if target.sslmode not in _PLAIN_ALLOWED:
        raise ProbeFailed(f"TLS is required by {target.sslmode} but the server offers none", step=TLS_STEP)
    return None


def tls_context(target: Target) -> ssl.SSLContext:
    """The context for a target's mode; as libpq, `require` verifies only when a root certificate is given. Reads files.

    Raises:
        OSError: the root certificate cannot be read. ssl.SSLError: it is not PEM.

    """
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.host = target.host
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    verifies = target.sslmode.startswith("verify-") or (target.sslmode == "require" and target.sslrootcert)
    context.check_hostname = target.sslmode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE
    if target.sslrootcert:
        context.load_verify_locations(cafile=target.sslrootcert)
    elif verifies:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context


@contextlib.asynccontextmanager
async def one_try(
    steps: Steps, until: float, limit_s: float, *, why: Callable[[Exception], str], drop: Callable[[], None]
) -> AsyncIterator[None]:
    """One try over a connection, up to the loop's time `until`; whatever ends it early, `drop` throws that connection away.

    Raises:
        ProbeFailed: at the step it had come to; `why` puts an error of the driver into words.

    """
    try:
        async with asyncio.timeout_at(until):
            yield
    except ProbeFailed:
        drop()
        raise
    except TimeoutError as error:
        drop()
        raise ProbeFailed(no_answer(limit_s, steps.current), step=steps.current, timed_out=True) from error
    except Exception as error:  # a hostile server's bytes can raise anything in the driver, and a failed probe is a result
        drop()
        raise ProbeFailed(why(error), step=steps.current) from error
    except asyncio.CancelledError:
        drop()
        raise
