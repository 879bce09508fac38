"""The examples as real processes, started by the very line of their README."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from dashboard_app.store.address import DatabaseAddress
from tests.instance import PLAIN, ROOT, free_port

TOKEN = "orders-test-token"
EXAMPLES = ("fastapi_service", "flask_service")


@dataclass(frozen=True)
class Example:
    """One running example."""

    name: str
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, token: str = TOKEN) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=10, verify=PLAIN)

    def guard(self, call: str, method: str = "GET", *, token: str = TOKEN, **kwargs: object) -> httpx.Response:
        with self.client(token) as client:
            return client.request(method, f"/api/v1/health/database/{call}", **kwargs)

    def leak(self, times: int) -> None:
        """Call the leaky route."""
        with self.client() as client:
            for _ in range(times):
                assert client.post("/export").status_code == 200


def run_line(name: str) -> list[str]:
    """The command that the example's README says starts it."""
    (line,) = re.findall(r"^python (-m uvicorn .*)$", (ROOT / "examples" / name / "README.md").read_text(), re.MULTILINE)
    return [sys.executable, *shlex.split(line)]


@contextlib.contextmanager
def example(name: str, address: DatabaseAddress, log: Path, **settings: object) -> Iterator[Example]:
    """The example on a database of its own, answering; ended by SIGTERM, which it must obey."""
    driver = "asyncpg" if name == "fastapi_service" else "psycopg"
    login = f"{address.user}:{address.password.reveal()}" if address.password else address.user
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORDERS_")} | {
        "ORDERS_DATABASE_URL": f"postgresql+{driver}://{login}@{address.host}:{address.port}/{address.database}",
        "ORDERS_TOKEN": TOKEN,
        "ORDERS_LEAK_THRESHOLD_S": "0.5",
        "ORDERS_AUTO_CLEANUP": "false",
        **{f"ORDERS_{key.upper()}": str(value) for key, value in settings.items()},
    }
    port = free_port()
    command = run_line(name)
    command[command.index("--port") + 1] = str(port)
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    started = Example(name, port, process)
    try:
        _wait_ready(started, log)
        yield started
        process.terminate()
        assert process.wait(15) in (0, -signal.SIGTERM), log.read_text()[-4000:]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


def _wait_ready(started: Example, log: Path) -> None:
    """Return when the guard answers."""
    end = time.monotonic() + 40
    while time.monotonic() < end and started.process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if started.guard("status").status_code == 200:
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.process.wait(0.05)
    raise AssertionError(f"{started.name} does not answer:\n{log.read_text()[-4000:]}")
