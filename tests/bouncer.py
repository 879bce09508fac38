"""A real PgBouncer in front of a real PostgreSQL, for tests that need one: its own port, its own users, its own unprivileged account."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dashboard_app.model.secret import Secret
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.postgres_programs import account_for

ADMIN, STATS, PASSWORD = "pgb_admin", "pgb_stats", "only for tests"
CONSOLE = "pgbouncer"
_START_LIMIT_S = 10.0


class BouncerForTests:
    """One PgBouncer process. `behind` is where its databases are; every database of that server can be reached through it."""

    def __init__(
        self, program: str, behind: DatabaseAddress, settings: Mapping[str, object] | None = None, databases: Sequence[str] = ()
    ) -> None:
        """Write its files; nothing starts. `settings` are lines of [pgbouncer] on top of ours; `databases` are known by name, not by "*" alone."""
        self._program = program
        self._behind = behind
        self._folder = Path(tempfile.mkdtemp(prefix="spillway-bouncer-"))
        self._account = account_for(self._folder)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self._write(settings or {}, databases)

    def address(self, database: str = CONSOLE, user: str = ADMIN) -> DatabaseAddress:
        """How `user` reaches `database` through it; the user of the server behind keeps the password it has there."""
        password = self._behind.password if user == self._behind.user else Secret(PASSWORD)
        return replace(self._behind, port=self.port, database=database, user=user, password=password)

    def start(self) -> None:
        """Start it and return when it accepts connections."""
        drop: dict[str, object] = {}
        if self._account is not None:
            drop = {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}
        self._process = subprocess.Popen(  # type: ignore[call-overload]  # the keywords depend on who runs the tests
            [self._program, str(self._folder / "pgbouncer.ini")],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **drop,
        )
        deadline = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.02)
        raise AssertionError(f"PgBouncer does not start:\n{self.log()}")

    def stop(self) -> None:
        """End it at once: connecting is refused until `start`."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(10)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP for the length of the block: connections stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        """What it logged so far."""
        log = self._folder / "pgbouncer.log"
        return log.read_text() if log.is_file() else ""

    def remove(self) -> None:
        """Stop it and delete its files."""
        self.stop()
        shutil.rmtree(self._folder)

    def _write(self, settings: Mapping[str, object], databases: Sequence[str]) -> None:
        """Its two files, readable by its account alone."""
        given = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": self._folder / "users.txt",
            "admin_users": ADMIN,
            "stats_users": STATS,
            "pool_mode": "transaction",
            "logfile": self._folder / "pgbouncer.log",
            **settings,
        }
        lines = [
            "[databases]",
            *(f"{name} = host={self._behind.host} port={self._behind.port}" for name in ("*", *databases)),
            "[pgbouncer]",
        ]
        lines += [f"{name} = {value}" for name, value in given.items()]
        users = {ADMIN: PASSWORD, STATS: PASSWORD, self._behind.user: self._behind.password.reveal(), "stranger": PASSWORD}
        files = {"pgbouncer.ini": "\n".join(lines), "users.txt": "\n".join(f'"{name}" "{password}"' for name, password in users.items())}
        for name, text in files.items():
            (self._folder / name).write_text(f"{text}\n")
            (self._folder / name).chmod(0o600)
        if self._account is not None:
            for path in (self._folder, *self._folder.iterdir()):
                os.chown(path, self._account.uid, self._account.gid)


def _free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
