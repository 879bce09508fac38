"""Where a row stands: a PostgreSQL of the harness, a fresh database for each row, instances as real processes, clients."""

import asyncio
import contextlib
import itertools
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import asyncpg
import httpx

from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.database import connect
from dashboard_app.store.embedded import EmbeddedServer
from tests.faults.matrix.toxics import ToxicProxy, proxied
from tests.instance import ADMIN_EMAIL, ADMIN_PASSWORD, PLAIN, PLAINLY, Instance, Launch, running, url_of

_NUMBERS = itertools.count(1)
READY_S = 60.0
CALM = {"rate_limit_login": "100000/minute", "auto_cleanup": "false", "console_auto_cleanup": "false"}


@dataclass
class Stand:
    """`share`: this share of the full counts. `chance`: the same moments in each run of the same seed."""

    server: EmbeddedServer
    folder: Path
    share: float = 1.0
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - which moment, not a secret

    def count(self, full: int, least: int = 1) -> int:
        """So many of `full`."""
        return max(least, round(full * self.share))

    async def database(self) -> DatabaseAddress:
        """A fresh database."""
        name = f"row_{next(_NUMBERS)}"
        await self.execute(f'CREATE DATABASE "{name}"')
        return replace(self.server.address(), database=name)

    async def execute(self, statement: str, *values: object, on: DatabaseAddress | None = None) -> list[asyncpg.Record]:
        """The rows of one statement on a connection of its own."""
        connection = await connect(on or self.server.address(), application_name="faults", timeout_s=10, command_timeout_s=20)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *values)
            return rows
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def instance(self, address: DatabaseAddress | None, launch: Launch = PLAINLY, **settings: object) -> AsyncIterator[Instance]:
        """A real process on `address` with a DATA_DIR of its own (or `data_dir`), ended at the end."""
        data_dir = Path(str(settings.pop("data_dir", ""))) if "data_dir" in settings else self.folder / f"data-{next(_NUMBERS)}"
        given: dict[str, object] = {**CALM, **settings}
        if address is not None:
            given["database_url"] = url_of(address)
        starting = running(data_dir, launch, **given)
        instance = await asyncio.to_thread(starting.__enter__)
        try:
            yield instance
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)

    @contextlib.asynccontextmanager
    async def behind_a_proxy(self, launch: Launch = PLAINLY, **settings: object) -> AsyncIterator[tuple[Instance, ToxicProxy]]:
        """An instance whose way to its database leads through a proxy that lets everything pass."""
        address = await self.database()
        async with (
            proxied(address.host, address.port) as proxy,
            self.instance(replace(address, port=proxy.port), launch, **settings) as one,
        ):
            yield one, proxy


@contextlib.contextmanager
def stand(share: float = 1.0) -> Iterator[Stand]:
    """A server with room for every row, thrown away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="spillway-matrix-"))
    folder.chmod(0o711)  # as root the server runs under another account
    server = EmbeddedServer(folder / "server", options={"max_connections": "200"})
    server.start()
    try:
        yield Stand(server, folder, share)
    finally:
        server.stop_if_last_user()
        shutil.rmtree(folder, ignore_errors=True)


async def caller(instance: Instance, role: str | None = "operator", *, timeout_s: float = 30, connections: int = 1000) -> httpx.AsyncClient:
    """A client with a token of `role`; None: anonymous. Close it."""
    headers = {"Authorization": f"Bearer {await asyncio.to_thread(instance.token, role)}"} if role else {}
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return httpx.AsyncClient(base_url=instance.url, headers=headers, timeout=timeout_s, verify=PLAIN, limits=limits)


async def signed_in(instance: Instance) -> str:
    """The Cookie header of a new session of the admin."""
    async with httpx.AsyncClient(base_url=instance.url, timeout=20, verify=PLAIN) as client:
        answer = await client.post("/login", data={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD})
        assert answer.status_code in {302, 303}, answer.text[:300]
        return "; ".join(f"{name}={value}" for name, value in answer.cookies.items())


async def until(claim: Callable[[], Awaitable[bool] | bool], limit_s: float = READY_S, pause_s: float = 0.02) -> float:
    """Seconds until `claim` came true. Raises TimeoutError."""
    began = time.monotonic()
    async with asyncio.timeout(limit_s):
        while True:
            held = claim()
            if held if isinstance(held, bool) else await held:
                return time.monotonic() - began
            await asyncio.sleep(pause_s)


async def answers(client: httpx.AsyncClient, path: str) -> int:
    """The status of a GET; 0 when there was none."""
    try:
        return (await client.get(path)).status_code
    except httpx.HTTPError:
        return 0


async def ready(instance: Instance, limit_s: float = READY_S) -> float:
    """Seconds until /readyz is 200."""
    async with httpx.AsyncClient(base_url=instance.url, timeout=5, verify=PLAIN) as client:

        async def is_ready() -> bool:
            return await answers(client, "/readyz") == httpx.codes.OK

        return await until(is_ready, limit_s)


def rss_kb(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])


def cpu_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def kept_waiting_s(pid: int) -> float:
    """How long a process's main thread, its event loop, was ready to run and had no processor, since it began: others' work, not its own."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


@contextlib.asynccontextmanager
async def lag() -> AsyncIterator[Callable[[], float]]:
    """By how much this process's own loop was late at most, in the block: a busy machine is not the fault that is measured."""
    worst = 0.0

    async def tick() -> None:
        nonlocal worst
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            worst = max(worst, time.monotonic() - began - 0.01)

    ticking = asyncio.create_task(tick())
    try:
        yield lambda: worst
    finally:
        await asyncio.sleep(0)
        ticking.cancel()
