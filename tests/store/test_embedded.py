"""The embedded PostgreSQL as its users meet it: made once, shared, found again after a crash, never left behind."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from dashboard_app.model.errors import DatabaseUnavailable, StartRefused
from dashboard_app.store import embedded
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.embedded import EmbeddedServer
from tests.conftest import PostgresForTests, wait_until

FAST = {"fsync": "off"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any account may pass through; every server in it is stopped afterwards."""
    path = Path(tempfile.mkdtemp(prefix="spillway-embedded-"))
    path.chmod(0o711)
    yield path
    EmbeddedServer(path / "data").stop()
    shutil.rmtree(path)


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedServer]:
    one = EmbeddedServer(folder / "data", options=FAST)
    one.start()
    yield one
    one.stop_if_last_user()


async def ask(address: DatabaseAddress, statement: str, password: str | None = None) -> object:
    connection = await asyncpg.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        database=address.database,
        password=address.password.reveal() if password is None else password,
        ssl=False,
        timeout=5,
    )
    try:
        return await connection.fetchval(statement, timeout=5)
    finally:
        await connection.close(timeout=5)


async def test_postgres_answers_on_a_fresh_database(fresh_database: DatabaseAddress, postgres: PostgresForTests) -> None:
    assert await ask(fresh_database, "SELECT current_database()") == fresh_database.database
    assert len(postgres.pids()) > 1


async def test_it_listens_on_loopback_tcp_with_scram_and_keeps_its_password_private(server: EmbeddedServer, folder: Path) -> None:
    address = server.address()
    assert (address.host, address.database, address.user) == ("127.0.0.1", "spillway", "spillway")
    assert await ask(address, "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'spillway'") is True
    assert await ask(address, "SHOW unix_socket_directories") == ""
    assert await ask(address, "SHOW max_connections") == "200"
    assert await ask(address, "SHOW shared_preload_libraries") == "pg_stat_statements"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(address, "SELECT 1", password="guessed")
    assert (folder / "data" / "embedded.password").stat().st_mode & 0o777 == 0o600


async def test_it_keeps_its_data_and_its_port_over_a_restart(server: EmbeddedServer) -> None:
    before = server.address()
    await ask(before, "CREATE TABLE kept AS SELECT 7 AS n")
    assert server.stop_if_last_user()
    assert server.pids() == []
    assert server.start() == before
    assert await ask(before, "SELECT n FROM kept") == 7


async def test_it_moves_to_another_port_when_its_own_was_taken(server: EmbeddedServer) -> None:
    port = server.address().port
    server.stop_if_last_user()
    with socket.create_server(("127.0.0.1", port)):
        assert server.start().port != port
    assert await ask(server.address(), "SELECT 1") == 1


def test_the_last_user_out_stops_it(server: EmbeddedServer, folder: Path) -> None:
    beside = EmbeddedServer(folder / "data")
    assert beside.start() == server.address()
    pid = server.postmaster()
    assert not server.stop_if_last_user()
    assert beside.is_running()
    assert beside.postmaster() == pid
    assert beside.stop_if_last_user()
    assert beside.pids() == []


def test_leaving_twice_or_without_having_come_changes_nothing(server: EmbeddedServer, folder: Path) -> None:
    assert not EmbeddedServer(folder / "data").stop_if_last_user()
    assert server.is_running()


def test_a_server_left_by_sigkill_is_adopted_and_stopped_by_its_new_user(folder: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from dashboard_app.store.embedded import EmbeddedServer\n"
        "EmbeddedServer(Path(sys.argv[1])).start(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(folder / "data")], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    heir = EmbeddedServer(folder / "data")
    orphan = heir.postmaster()
    assert heir.is_running()
    heir.start()
    assert heir.postmaster() == orphan
    assert heir.stop_if_last_user()
    assert heir.pids() == []


async def test_it_starts_again_with_its_data_after_its_postmaster_was_killed(server: EmbeddedServer) -> None:
    await ask(server.address(), "CREATE TABLE kept AS SELECT 7 AS n")
    postmaster = server.postmaster()
    assert postmaster is not None
    os.kill(postmaster, signal.SIGKILL)
    wait_until(lambda: not server.is_running())
    assert await ask(server.start(), "SELECT n FROM kept") == 7


async def test_the_watcher_starts_a_crashed_server_and_leaves_a_stopped_one_alone(
    server: EmbeddedServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_WATCH_S", 0.02)
    postmaster = server.postmaster()
    assert postmaster is not None
    watcher = EmbeddedServer(folder / "data", options=FAST)
    watching = asyncio.create_task(watcher.keep_running())
    os.kill(postmaster, signal.SIGKILL)
    async with asyncio.timeout(20):
        while server.postmaster() in {None, postmaster} or not server.is_running():  # noqa: ASYNC110 - a process, not a task, is waited for
            await asyncio.sleep(0.02)
    assert await asyncio.to_thread(server.stop_if_last_user), "the watcher counts as no user"
    checks = 0
    looked = watcher._has_crashed

    def counted() -> bool:
        nonlocal checks
        checks += 1
        return looked()

    monkeypatch.setattr(watcher, "_has_crashed", counted)
    async with asyncio.timeout(20):
        while checks < 5:  # noqa: ASYNC110 - the watcher's own pace is waited for
            await asyncio.sleep(0.02)
    assert server.pids() == []
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_the_watcher_tries_again_after_a_start_that_failed(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_WATCH_S", 0.01)
    tries: list[int] = []
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def start() -> None:
        tries.append(1)
        if len(tries) == 2:
            loop.call_soon_threadsafe(done.set)
        raise StartRefused("not today")

    monkeypatch.setattr(server, "_has_crashed", lambda: True)
    monkeypatch.setattr(server, "_start", start)
    watching = asyncio.create_task(server.keep_running())
    await asyncio.wait_for(done.wait(), 10)
    watching.cancel()


def test_a_frozen_server_stops_too(server: EmbeddedServer) -> None:
    for pid in server.pids():
        os.kill(pid, signal.SIGSTOP)
    assert server.stop_if_last_user()
    assert server.pids() == []


def test_a_server_that_does_not_obey_is_killed(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_STOP_S", 0.2)
    send = embedded._send
    monkeypatch.setattr(embedded, "_send", lambda pid, number: send(pid, number) if number is signal.SIGKILL else None)
    server.stop_if_last_user()
    wait_until(lambda: server.pids() == [])


def test_a_pid_file_with_the_number_of_a_stranger_does_not_hinder_a_start(server: EmbeddedServer, folder: Path) -> None:
    pid_file = folder / "data" / "embedded" / "cluster" / "postmaster.pid"
    postmaster = server.postmaster()
    assert postmaster is not None
    text = pid_file.read_text()
    server.stop_if_last_user()
    pid_file.write_text(text.replace(str(postmaster), str(os.getppid()), 1))
    server.start()
    assert server.is_running()


def test_nothing_is_known_before_the_first_start(folder: Path) -> None:
    with pytest.raises(DatabaseUnavailable):
        EmbeddedServer(folder / "data").address()
    assert not EmbeddedServer(folder / "data").is_running()


@pytest.mark.parametrize("fault", ["another major version", "no password"])
def test_a_cluster_that_cannot_be_used_is_refused_with_what_to_do(server: EmbeddedServer, folder: Path, fault: str) -> None:
    server.stop_if_last_user()
    if fault == "no password":
        (folder / "data" / "embedded.password").unlink()
    else:
        (folder / "data" / "embedded" / "cluster" / "PG_VERSION").write_text("9\n")
    with pytest.raises(StartRefused, match="embedded.password is missing" if fault == "no password" else "made by PostgreSQL 9"):
        server.start()


def test_a_server_that_cannot_start_says_what_its_log_says(server: EmbeddedServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.stop_if_last_user()
    monkeypatch.setattr(embedded, "_START_TRIES_S", 0.0)
    broken = EmbeddedServer(folder / "data", options={"max_connections": "many"})
    with pytest.raises(StartRefused, match='invalid value for parameter "max_connections"'):
        broken.start()
    broken.stop_if_last_user()


def test_half_a_cluster_is_made_anew(folder: Path) -> None:
    half = folder / "data" / "embedded" / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    server = EmbeddedServer(folder / "data", options=FAST)
    server.start()
    assert server.stop_if_last_user()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: another user always reaches its own folders")
async def test_root_keeps_the_cluster_where_its_account_can_go(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedServer(closed / "data", options=FAST)
    assert await ask(server.start(), "SELECT 1") == 1
    place = Path((closed / "data" / "embedded.place").read_text().strip())
    assert place.parent == Path("/var/lib/spillway")
    assert EmbeddedServer(closed / "data").postmaster() == server.postmaster()
    server.stop_if_last_user()
    shutil.rmtree(place)


def test_the_address_file_says_the_port_and_no_secret(server: EmbeddedServer, folder: Path) -> None:
    assert json.loads((folder / "data" / "embedded.json").read_text()) == {"port": server.address().port}


async def test_a_query_whose_asker_is_gone_ends_soon(postgres):
    to = postgres.address("postgres")
    gone = await asyncpg.connect(
        host=to.host, port=to.port, user=to.user, password=to.password.reveal(), database=to.database, ssl=False, timeout=10
    )
    pid = gone.get_server_pid()
    asking = asyncio.create_task(gone.fetchval("SELECT pg_sleep(600)"))

    async def runs(expected):
        looked = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND state = 'active'"
        async with asyncio.timeout(30):
            while (await asyncio.to_thread(postgres.execute, looked, pid))[0][0] != expected:  # noqa: ASYNC110 - the server is asked
                await asyncio.sleep(0.1)

    await runs(1)
    gone.terminate()
    with pytest.raises(asyncpg.PostgresConnectionError):
        await asking
    await runs(0)
