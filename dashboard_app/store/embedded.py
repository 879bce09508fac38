"""The embedded PostgreSQL: made under DATA_DIR, started for its first user, stopped by its last, found again after a crash.

It listens on loopback TCP with scram-sha-256 and on no Unix socket, so no path can be too long for it.
"""

import asyncio
import fcntl
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from dashboard_app.model.errors import DatabaseUnavailable, StartRefused
from dashboard_app.model.secret import Secret
from dashboard_app.settings import Settings
from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.data_dir import exclusively, open_lock, prepare, write_private
from dashboard_app.store.postgres_pids import pids_in
from dashboard_app.store.postgres_programs import (
    RECOVERY_S,
    Account,
    Programs,
    account_for,
    find_programs,
    preload,
    reaches,
    readable_by,
    run_program,
)

_LOG = logging.getLogger(__name__)
_HOST = "127.0.0.1"
_NAME = "spillway"  # of the database and of its user
_ELSEWHERE = Path("/var/lib/spillway")
_START_TRIES_S = 20.0
_STOP_S = 10.0
_WATCH_S = 1.0
_LONGEST_PAUSE_S = 30.0
_LOG_TAIL = 5
_OPTIONS = {
    "listen_addresses": _HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "fsync": "on",
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",  # one file per weekday, so the log stays bounded
    "log_truncate_on_rotation": "on",
    "log_rotation_size": "0",
    "log_rotation_age": "1d",
    "client_connection_check_interval": "2s",  # a query whose asker is gone ends, instead of running on to its end
}


class EmbeddedServer:
    """One PostgreSQL server for one DATA_DIR, shared by the app and by commands beside it."""

    def __init__(self, data_dir: Path, pg_bin: str | None = None, options: Mapping[str, str] | None = None) -> None:
        """Keep the place; nothing is read or started. `options` are server settings on top of ours."""
        self._data_dir = data_dir.expanduser().absolute()
        self._pg_bin = pg_bin
        self._options = {**_OPTIONS, **(options or {})}
        self._user_lock: IO[str] | None = None

    def start(self) -> DatabaseAddress:
        """Count this process as a user, and start the server unless it runs. Takes under a second, more after a crash.

        Raises:
            StartRefused: there is no usable PostgreSQL, or it does not start; the message says why.

        """
        prepare(self._data_dir)
        with exclusively(self._data_dir / "embedded.gate"):
            if self._user_lock is None:
                self._user_lock = open_lock(self._data_dir / "embedded.users")
                fcntl.flock(self._user_lock, fcntl.LOCK_SH)
            if not self.is_running():
                self._start()
        return self.address()

    def address(self) -> DatabaseAddress:
        """Where the server is. Read from DATA_DIR each time, since the port may change when the server starts again.

        Raises:
            DatabaseUnavailable: no server was ever made here.

        """
        try:
            port = int(json.loads((self._data_dir / "embedded.json").read_text())["port"])
            password = (self._data_dir / "embedded.password").read_text()
        except (OSError, ValueError, KeyError) as error:
            raise DatabaseUnavailable("the embedded PostgreSQL has not been started yet") from error
        return DatabaseAddress(_HOST, port, _NAME, _NAME, Secret(password), "disable")

    def is_running(self) -> bool:
        """Whether a postmaster lives on this cluster, whoever started it."""
        pid = self.postmaster()
        return pid is not None and pid in self.pids()

    def postmaster(self) -> int | None:
        """The pid in the server's own pid file; None when it was stopped. The process may be dead."""
        try:
            return int((self._cluster() / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def pids(self) -> list[int]:
        """Every live process of the server: all of them work in the cluster's folder."""
        return pids_in(self._cluster(), self.postmaster())

    def stop_if_last_user(self) -> bool:
        """Leave; stop the server when no other process uses it. Returns whether it was stopped."""
        if self._user_lock is None:
            return False
        with exclusively(self._data_dir / "embedded.gate"):
            try:
                fcntl.flock(self._user_lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                last = False
            else:
                last = True
                self.stop()
            self._user_lock.close()
            self._user_lock = None
        return last

    def stop(self) -> None:
        """Stop the server, frozen or not: politely, then at once. Does nothing when it does not run."""
        for mode, how in (("fast", signal.SIGINT), ("immediate", signal.SIGQUIT), ("kill", signal.SIGKILL)):
            pid = self.postmaster()
            pids = self.pids()
            if not pids:
                return
            if mode != "fast":
                _LOG.warning("the embedded PostgreSQL did not stop in %.0f s; trying %s", _STOP_S, mode)
            for each in pids:
                _send(each, signal.SIGCONT)
            for each in pids if how is signal.SIGKILL or pid not in pids else [pid]:
                _send(each, how)
            deadline = time.monotonic() + _STOP_S
            while self.pids() and time.monotonic() < deadline:
                time.sleep(0.02)

    async def keep_running(self) -> None:
        """Start the server again whenever it has crashed (its pid file is left behind), with growing pauses. Never returns.

        A server that was stopped on purpose has removed its pid file and is left alone. The watcher is no user: whoever serves has called `start`.
        """
        pause_s = _WATCH_S
        while True:
            await asyncio.sleep(pause_s)
            if not await asyncio.to_thread(self._has_crashed):
                pause_s = _WATCH_S
                continue
            _LOG.error("the embedded PostgreSQL has crashed; starting it again")
            try:
                await asyncio.to_thread(self._start_again)
            except (StartRefused, OSError) as error:
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                _LOG.error("the embedded PostgreSQL does not start; next try in %.0f s: %s", pause_s, error)

    def _start_again(self) -> None:
        """Start a crashed server without becoming one more user of it."""
        with exclusively(self._data_dir / "embedded.gate"):
            if self._has_crashed():
                self._start()

    def _has_crashed(self) -> bool:
        return self.postmaster() is not None and not self.is_running()

    # ---- how it is made and started ---------------------------------------------------------------------------------------

    def _cluster(self) -> Path:
        """PGDATA: under DATA_DIR, or where the pointer file says."""
        pointer = self._data_dir / "embedded.place"
        place = Path(pointer.read_text().strip()) if pointer.is_file() else self._data_dir / "embedded"
        return place / "cluster"

    def _start(self) -> None:
        programs = find_programs(self._pg_bin)
        account = account_for(self._cluster())
        if account is not None and not reaches(account, self._data_dir) and not self._cluster().exists():
            self._move_elsewhere()
        cluster = self._cluster()
        cluster.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        programs = readable_by(programs, account, cluster.parent)
        if not cluster.exists():
            self._make(programs, account)
        made_by = int((cluster / "PG_VERSION").read_text())
        if made_by != programs.major:
            raise StartRefused(
                f"{cluster} was made by PostgreSQL {made_by}, the programs in {programs.folder} are {programs.major}: "
                f"set SPILLWAY_PG_BIN to a folder with PostgreSQL {made_by}, or move that folder away to begin afresh"
            )
        if not (self._data_dir / "embedded.password").is_file():
            raise StartRefused(f"{self._data_dir / 'embedded.password'} is missing: put it back, or move {cluster} away to begin afresh")
        self._launch(programs, account)

    def _move_elsewhere(self) -> None:
        """Choose a folder that every account reaches, since not all reach DATA_DIR, and note it there."""
        place = _ELSEWHERE / f"{self._data_dir.name.lstrip('.')}-{secrets.token_hex(4)}"
        place.mkdir(mode=0o711, parents=True)
        write_private(self._data_dir / "embedded.place", f"{place}\n")

    def _make(self, programs: Programs, account: Account | None) -> None:
        """Make the cluster and its database beside its final place; the last step is a rename, so half a cluster never counts."""
        cluster = self._cluster()
        fresh, pwfile = cluster.with_name("cluster.new"), cluster.with_name("initdb.password")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        write_private(pwfile, password)
        if account is not None:
            for path in (fresh, pwfile):
                os.chown(path, account.uid, account.gid)
        options = ["--auth=scram-sha-256", f"--pwfile={pwfile}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        try:
            run_program(programs, account, ["initdb", "-D", str(fresh), "-U", _NAME, *options])
        finally:
            pwfile.unlink()
        run_program(programs, account, ["postgres", "--single", "-D", str(fresh), "postgres"], given=f"CREATE DATABASE {_NAME}\n")
        write_private(self._data_dir / "embedded.password", password)
        fresh.rename(cluster)

    def _launch(self, programs: Programs, account: Account | None) -> None:
        """Start the postmaster; tries again while processes of a killed one still hold its memory, and on another port when ours is taken."""
        cluster = self._cluster()
        log = cluster / "start.log"
        self._drop_stale_pid_file()
        deadline = time.monotonic() + _START_TRIES_S
        while True:
            port = self._free_port()
            write_private(self._data_dir / "embedded.json", json.dumps({"port": port}))
            log.unlink(missing_ok=True)
            given = {"port": str(port), **self._options, **preload(programs)}
            settings = " ".join(f"-c {name}='{value}'" for name, value in given.items())
            try:
                run_program(
                    programs,
                    account,
                    ["pg_ctl", "-D", str(cluster), "-w", "-t", f"{RECOVERY_S:.0f}", "-s", "-l", str(log), "-o", settings, "start"],
                )
            except StartRefused as refused:
                if self.is_running():
                    _LOG.warning("the embedded PostgreSQL is still recovering from a crash")
                    return
                if time.monotonic() > deadline:
                    tail = log.read_text(errors="replace").splitlines()[-_LOG_TAIL:] if log.is_file() else []
                    raise StartRefused("\n".join(["the embedded PostgreSQL does not start", refused.detail, *tail])) from refused
                time.sleep(0.25)
            else:
                return

    def _drop_stale_pid_file(self) -> None:
        """Remove a pid file whose number now belongs to a stranger, which PostgreSQL would take for a live server.

        Only when no process at all works in the cluster: otherwise the file is what protects the data.
        """
        pid = self.postmaster()
        if pid is not None and Path("/proc/self/cwd").exists() and not self.pids() and Path(f"/proc/{pid}").exists():
            (self._cluster() / "postmaster.pid").unlink()

    def _free_port(self) -> int:
        """The port of last time while it is free, else a random free one."""
        try:
            last = int(json.loads((self._data_dir / "embedded.json").read_text())["port"])
        except (OSError, ValueError, KeyError):
            last = 0
        for port in (last, 0):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((_HOST, port))
                except OSError:
                    continue
                return int(probe.getsockname()[1])
        raise StartRefused("no free port on 127.0.0.1 for the embedded PostgreSQL")


def of_settings(settings: Settings) -> EmbeddedServer:
    """The embedded server that `settings` describe."""
    return EmbeddedServer(settings.data_dir, settings.pg_bin)


def _send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        _LOG.debug("process %s has ended", pid)
