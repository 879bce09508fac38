"""What every test may ask for: a real PostgreSQL of its own, fresh databases on it, settings, and programs by name."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import hypothesis
import pytest

from dashboard_app.settings import Settings
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.embedded import EmbeddedServer
from tests.bouncer import BouncerForTests
from tests.preloaded import Preloaded

PROGRAMS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "redis": ("redis-server", "valkey-server"),
    "pgbouncer": ("pgbouncer",),
    "nginx": ("nginx",),
    "mariadb": ("mariadbd", "mysqld"),
}
SYSTEM_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")  # a bare PATH may not name where apt puts programs
WHOLE = ("tests/browser/",)
LONG = (
    *WHOLE,
    "tests/contract/test_event_matrix",
    "tests/store/test_embedded",
    "tests/test_serve",
    "tests/examples/",
    "tests/faults/",
    "tests/console/test_loader_plan",
)
MEASURED = ("tests/model/", "tests/policy/")
"""The rooms that must cover `model` and `policy` whole; measuring makes Python slower by half, so the others run without."""
_NUMBERS = count(1)
T = TypeVar("T")


def program(part: str) -> str | None:
    """The path of the program behind `part`; None when it is not installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM_FOLDERS])
    return next((found for name in PROGRAMS.get(part, (part,)) if (found := shutil.which(name, path=path))), None)


def pytest_configure() -> None:
    """Instances fork from what is imported once for each worker; properties are not judged by how fast a busy machine finds examples."""
    Preloaded.serves = True
    hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
    if os.environ.get("CI") != "true":  # there it has a profile of its own that says the same, and finds the same examples each time
        hypothesis.settings.load_profile("busy")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After the shuffle, what takes long goes first: nothing of it is left for one worker when the others are through."""
    items.sort(key=lambda item: next((place for place, room in enumerate(LONG) if item.nodeid.startswith(room)), len(LONG)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """`--dist loadfile` shares out files, but a room that shares whole instances goes to one worker: each worker would start its own."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByRoom(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((room for room in WHOLE if nodeid.startswith(room)), None) or super()._split_scope(nodeid)

    return ByRoom(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """With `--cov`, measure in the rooms of MEASURED only. What is imported while tests are collected is measured, too."""
    plugin = item.config.pluginmanager.get_plugin("_cov")
    measure = getattr(getattr(plugin, "cov_controller", None), "cov", None)
    if measure is None or item.nodeid.startswith(MEASURED):
        return (yield)
    measure.stop()
    try:
        return (yield)
    finally:
        measure.start()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test by name when a program it needs is missing; under CI=true that is a failure."""
    for mark in item.iter_markers("needs"):
        for part in mark.args:
            if program(part) is None:
                reason = f"needs {part}, which is not installed"
                if os.environ.get("CI") == "true":
                    pytest.fail(reason, pytrace=False)
                pytest.skip(reason)


class PostgresForTests:
    """A private PostgreSQL server, driven by the app's own module. All calls are synchronous and take milliseconds."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server

    def address(self, database: str = "spillway_test") -> DatabaseAddress:
        """Where `database` is; the user is a superuser. The port stays the same over stop and start."""
        return replace(self.server.address(), database=database)

    def create_database(self, name: str, template: str = "template1") -> DatabaseAddress:
        """A copy of `template`, to which nobody may be connected. Copied as files: as a log of changes it takes six times the work."""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.address(name)

    def drop_database(self, name: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str, *values: object, database: str = "postgres") -> list[asyncpg.Record]:
        """Run one statement on a connection of its own and return its rows."""

        async def run() -> list[asyncpg.Record]:
            to = self.address(database)
            connection = await asyncpg.connect(
                host=to.host, port=to.port, user=to.user, password=to.password.reveal(), database=database, ssl=False, timeout=10
            )
            try:
                rows: list[asyncpg.Record] = await connection.fetch(statement, *values, timeout=20)
                return rows
            finally:
                await connection.close(timeout=5)

        return _in_a_thread(run)

    def pids(self) -> list[int]:
        """The postmaster and every process of the server."""
        return self.server.pids()

    def freeze(self) -> None:
        """SIGSTOP to every process: connections stay open and nothing answers."""
        stopped: set[int] = set()
        while fresh := set(self.pids()) - stopped:  # until no new backend shows up
            self._signal(fresh, signal.SIGSTOP)
            stopped |= fresh

    def thaw(self) -> None:
        """SIGCONT to every process."""
        self._signal(set(self.pids()), signal.SIGCONT)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Frozen for the length of the block."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def stop(self) -> None:
        """Stop it: connecting is refused until `start`."""
        self.server.stop()

    def start(self) -> None:
        """Start it again on the same port."""
        self.server.start()

    @staticmethod
    def _signal(pids: set[int], number: signal.Signals) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _in_a_thread(work: Callable[[], Coroutine[object, object, T]]) -> T:
    """Run a coroutine to its end beside whatever loop this thread runs."""
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(asyncio.run(work()))
        except BaseException as failure:  # noqa: BLE001 - raised again in the caller's thread
            failures.append(failure)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresForTests]:
    """The session's server."""
    folder = Path(tempfile.mkdtemp(prefix="spillway-test-"))
    folder.chmod(0o711)  # as root the server runs under another account
    server = EmbeddedServer(folder / "data", os.environ.get("SPILLWAY_PG_BIN"), {"fsync": "off"})
    server.start()
    started = PostgresForTests(server)
    started.create_database("spillway_test")
    yield started
    server.stop_if_last_user()
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _postgres_runs_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """After a test that froze or stopped the server it is thawed and running."""
    yield
    if "postgres" in request.fixturenames:
        server: PostgresForTests = request.getfixturevalue("postgres")
        server.thaw()
        server.start()


@pytest.fixture
def fresh_database(postgres: PostgresForTests) -> Iterator[DatabaseAddress]:
    """A new, empty database, dropped afterwards."""
    with a_database(postgres) as address:
        yield address


@contextlib.contextmanager
def a_database(postgres: PostgresForTests, template: str = "template1") -> Iterator[DatabaseAddress]:
    """A new database for the length of the block, whatever is done to the server meanwhile."""
    name = f"test_{os.getpid()}_{next(_NUMBERS)}"
    yield postgres.create_database(name, template)
    postgres.thaw()
    postgres.start()
    postgres.drop_database(name)


@pytest.fixture
def bouncer_for(postgres: PostgresForTests) -> Iterator[Callable[..., BouncerForTests]]:
    """Starts a PgBouncer in front of the session's server; keywords are lines of its [pgbouncer]. For tests marked needs("pgbouncer")."""
    started = []

    def start(**settings: object) -> BouncerForTests:
        started.append(BouncerForTests(program("pgbouncer") or "pgbouncer", postgres.address(), settings))
        started[-1].start()
        return started[-1]

    yield start
    for bouncer in started:
        bouncer.remove()


@pytest.fixture
def settings_for(tmp_path: Path) -> Callable[..., Settings]:
    """Settings with a DATA_DIR of the test's own; keywords are fields of Settings."""

    def build(**over: object) -> Settings:
        return Settings.model_validate({"data_dir": tmp_path / "data", **over})

    return build


def wait_until(claim: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Return as soon as `claim()` holds; fail when it does not within `timeout_s`. For synchronous tests."""
    deadline = time.monotonic() + timeout_s
    while not claim():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_s} s in vain")
        time.sleep(0.01)
