"""A migrated database, the room's parts on it, sessions to disturb it with, and listeners that misbehave."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dashboard_app.backend.sources.assembly import SourceParts, build_sources
from dashboard_app.backend.sources.probes.names import Resolver
from dashboard_app.backend.sources.probes.postgresql import PostgresProbe
from dashboard_app.backend.sources.probes.target import Target
from dashboard_app.model.clock import SystemClock
from dashboard_app.model.secret import Secret
from dashboard_app.settings import Settings
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.database import Database
from dashboard_app.store.migrations import migrate


class MirrorVault:
    """Stands in for the vault: turns a secret round."""

    def encrypt(self, secret: Secret) -> bytes:
        return secret.reveal().encode()[::-1]

    def decrypt(self, sealed: bytes) -> Secret:
        return Secret(sealed[::-1].decode())


def target(address: DatabaseAddress, **over) -> Target:
    fields = {
        "host": address.host,
        "port": address.port,
        "database": address.database,
        "username": address.user,
        "password": address.password,
        "sslmode": "prefer",
    }
    return Target(**{**fields, **over})


async def until(claim: Callable[[], Awaitable[bool]], timeout_s: float = 30) -> None:
    """Return when `claim()` holds: the server is asked again and again, it has no event to wait for."""
    async with asyncio.timeout(timeout_s):
        while not await claim():  # noqa: ASYNC110 - the claim asks a server
            await asyncio.sleep(0.02)


@pytest.fixture(scope="session")
async def migrated(postgres) -> DatabaseAddress:
    """A migrated database, made once: emptying it takes a tenth of the time that making one takes."""
    made = postgres.create_database(f"sources_{os.getpid()}")
    opened = Database(lambda: made, Settings())
    await migrate(opened)
    await opened.close()
    return made


@pytest.fixture
def fresh_database(postgres, migrated) -> Iterator[DatabaseAddress]:
    """A migrated database, as good as new after each test."""
    yield migrated
    postgres.thaw()
    postgres.start()
    postgres.execute(_AS_NEW, database=migrated.database)


_AS_NEW = """
DO $$ BEGIN
    PERFORM pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
    DROP TABLE IF EXISTS held, filling;
    TRUNCATE data_sources, health_samples, metric_samples RESTART IDENTITY;
END $$
"""


@pytest.fixture
async def database(fresh_database, settings_for) -> AsyncIterator[Database]:
    opened = Database(lambda: fresh_database, settings_for())
    yield opened
    await opened.close()


@pytest.fixture
async def parts(database, settings_for) -> AsyncIterator[SourceParts]:
    built = build_sources(database, MirrorVault(), settings_for(probe_timeout_s=2), SystemClock())
    await built.sources.open()
    yield built
    await built.probing.close()


@pytest.fixture
async def probe_on() -> AsyncIterator[Callable[..., PostgresProbe]]:
    probes = []

    def build(address: DatabaseAddress, **over) -> PostgresProbe:
        probes.append(PostgresProbe(target(address, **over), Resolver(), SystemClock()))
        return probes[-1]

    yield build
    for probe in probes:
        await probe.close()


@pytest.fixture
async def session(fresh_database) -> AsyncIterator[Callable[[], Awaitable[asyncpg.Connection]]]:
    """Opens sessions of the superuser on the fresh database."""
    opened = []

    async def connect() -> asyncpg.Connection:
        to = fresh_database
        opened.append(
            await asyncpg.connect(host=to.host, port=to.port, user=to.user, password=to.password.reveal(), database=to.database, ssl=False)
        )
        return opened[-1]

    yield connect
    for connection in opened:
        connection.terminate()


@pytest.fixture
async def listener() -> AsyncIterator[Callable[..., Awaitable[int]]]:
    """Starts a TCP server with the given behaviour and gives its port."""
    async with contextlib.AsyncExitStack() as stack:
        answering: set[asyncio.Task] = set()

        async def start(behave) -> int:
            async def answer(reader, writer) -> None:
                answering.add(asyncio.current_task())
                with contextlib.suppress(ConnectionError, EOFError, asyncio.CancelledError):
                    await behave(reader, writer)
                writer.transport.abort()

            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            stack.callback(server.close)
            return server.sockets[0].getsockname()[1]

        yield start
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """The path of a self-signed certificate for 127.0.0.1 with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM) + private)
    return path
