"""A whole Spillway in a process of its own, with a DATA_DIR that is thrown away."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.harness.results import ROOT

_READY_S = 180.0


@dataclass(frozen=True, slots=True)
class RunningApp:
    """Where it is, who it is, and a token of an operator."""

    port: int
    pid: int
    token: str

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def rss_mb(self) -> float:
        """Resident memory of the serving process."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.contextmanager
def running_app(**settings: object) -> Iterator[RunningApp]:
    """A ready app for the length of the block; `settings` are names without the prefix."""
    folder = Path(tempfile.mkdtemp(prefix="spillway-bench-"))
    folder.chmod(0o711)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPILLWAY_")}
    environment |= {"SPILLWAY_PORT": str(port), "SPILLWAY_DATA_DIR": str(folder / "data"), "SPILLWAY_LOG_LEVEL": "warning"}
    environment |= {f"SPILLWAY_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "dashboard_app"]
    process = subprocess.Popen([*command, "serve"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603 - this very program
    try:
        _wait_ready(port, process)
        made = subprocess.run(  # noqa: S603 - this very program
            [*command, "token", "create", "--name", "bench", "--role", "operator"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        yield RunningApp(port, process.pid, made.stdout.strip())
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        if process.poll() is None:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when it can serve."""
    end = time.monotonic() + _READY_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == httpx.codes.OK:
                return
        time.sleep(0.1)
    raise RuntimeError("the app did not start")
