"""A real Spillway as a subprocess, the way `make run` serves it: for browser tests and for tests of start and stop."""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx

from dashboard_app.store.address import DatabaseAddress
from dashboard_app.store.embedded import EmbeddedServer
from tests.preloaded import ROOT, Preloaded

ADMIN_EMAIL = "ana@example.org"
ADMIN_PASSWORD = "correct-horse-battery-7"
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of what speaks no TLS: without it each of them reads the machine's certificates, for 30 ms of processor time."""


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def url_of(address: DatabaseAddress) -> str:
    """The address as DATABASE_URL takes it."""
    return f"postgresql://{address.user}:{quote(address.password.reveal(), safe='')}@{address.host}:{address.port}/{address.database}"


@dataclass
class Instance:
    """One serving process. `log` holds all it printed."""

    process: subprocess.Popen[bytes] | Preloaded
    port: int
    data_dir: Path
    log: Path
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, role: str | None = "admin") -> httpx.Client:
        """An HTTP client with a bearer token of `role`; None: anonymous."""
        headers = {"Authorization": f"Bearer {self.token(role)}"} if role else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=15, verify=PLAIN)

    def token(self, role: str) -> str:
        """An API token of `role`, made by the CLI beside the running app."""
        if role not in self.tokens:
            self.tokens[role] = self.cli("token", "create", "--name", f"test-{role}", "--role", role).strip()
        return self.tokens[role]

    def cli(self, *args: str, stdin: str = "") -> str:
        """What a CLI command prints, run with this instance's settings."""
        with tempfile.TemporaryDirectory() as folder:
            given, out, err = (Path(folder, name) for name in ("given", "out", "err"))
            for file, text in ((given, stdin), (out, ""), (err, "")):
                file.write_text(text)
            code, said = Preloaded(args, self.environment, out=out, err=err, into=given).wait(120), out.read_text()
            assert code == 0, f"{args}: {said}\n{err.read_text()}"
        return said

    environment: dict[str, str] = field(default_factory=dict)

    @property
    def postgres(self) -> EmbeddedServer:
        """The embedded server behind this instance."""
        return EmbeddedServer(self.data_dir)

    def postgres_frozen(self) -> contextlib.AbstractContextManager[None]:
        """`frozen` for its own server."""
        return self.frozen(self.postgres)

    @staticmethod
    @contextlib.contextmanager
    def frozen(server: EmbeddedServer) -> Iterator[None]:
        """SIGSTOP to every process of a server for the length of the block: connections stay open, nothing answers."""
        stopped: set[int] = set()
        while fresh := set(server.pids()) - stopped:
            for pid in fresh:
                os.kill(pid, signal.SIGSTOP)
            stopped |= fresh
        try:
            yield
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def postgres_stopped(self) -> Iterator[None]:
        """Its server stopped on purpose for the length of the block: connecting is refused."""
        server = self.postgres
        server.stop()
        try:
            yield
        finally:
            server.start()
            server.stop_if_last_user()

    def stop(self, timeout_s: float = 30) -> int:
        """The exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)


@dataclass(frozen=True)
class Launch:
    """How the process is started. `module`: what runs it; `prefix`: a command in front (a limit, a clock); `waits`: until /readyz is 200."""

    module: str = "dashboard_app"
    prefix: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    waits: bool = True


PLAINLY = Launch()


@contextlib.contextmanager
def running(data_dir: Path, launch: Launch = PLAINLY, **settings: object) -> Iterator[Instance]:
    """A ready instance with `settings` (names without the prefix, any case); stopped by SIGTERM at the end."""
    port = int(str(settings.pop("port", 0))) or free_port()
    data_dir.mkdir(parents=True, exist_ok=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPILLWAY_")}
    environment |= {
        "SPILLWAY_PORT": str(port),
        "SPILLWAY_DATA_DIR": str(data_dir),
        "SPILLWAY_ADMIN_EMAIL": ADMIN_EMAIL,
        "SPILLWAY_ADMIN_PASSWORD": ADMIN_PASSWORD,
    }
    environment |= {f"SPILLWAY_{name.upper()}": str(value) for name, value in settings.items()}
    environment |= launch.environment
    log = data_dir / "serve.log"
    log.write_bytes(b"")
    process = _started(launch, environment, log)
    instance = Instance(process, port, data_dir, log, environment=environment)
    try:
        if launch.waits:
            _wait_ready(instance)
        yield instance
    finally:
        if process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                instance.stop()
        if process.poll() is None:
            process.kill()
            process.wait(10)
        remove_elsewhere(data_dir)


def _started(launch: Launch, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes] | Preloaded:
    """The process of `serve`, which has just begun; it writes behind what is in `log`."""
    if launch == PLAINLY and Preloaded.serves:
        return Preloaded(["serve"], environment, out=log, err=log)
    command = [*launch.prefix, sys.executable, "-m", launch.module, "serve"]
    with log.open("ab") as out:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)


def remove_elsewhere(data_dir: Path) -> None:
    """Remove what root's embedded server kept outside of DATA_DIR, where its account could not go: tens of megabytes each time."""
    pointer = data_dir / "embedded.place"
    if pointer.is_file():
        shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)


def _wait_ready(instance: Instance, timeout_s: float = 180) -> None:
    """Return when /readyz is 200; raise with the log when the process ends or the time is over."""
    end = time.monotonic() + timeout_s
    with httpx.Client(base_url=instance.url, timeout=10, verify=PLAIN) as client:
        while time.monotonic() < end and instance.process.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if client.get("/readyz").status_code == httpx.codes.OK:
                    return
            with contextlib.suppress(subprocess.TimeoutExpired):
                instance.process.wait(0.1)
    raise AssertionError(f"not ready:\n{instance.log.read_text()[-4000:]}")
