"""What the gates cost a call: throttling-config against a bare Starlette route of the same bytes, by `ab -n 1000 -c 50`, in turn.

The bare route is served by uvicorn with the very settings of `serve`, in a process of its own, as Spillway is. The client is `ab`, or the kit's
own where there is none. CPU is what the serving process used, background work of the console included.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.harness.rounds import interleaved
from benchmarks.harness.table import Table
from dashboard_app.serve import uvicorn_options
from dashboard_app.settings import Settings
from load.ab import Measured, client, measure
from tests.instance import ROOT, free_port, running

ROUNDS = 15
REQUESTS, AT_ONCE = 1000, 50
LEAST_RATIO = 0.7
CONFIG = "/api/v1/health/database/throttling-config"
HEALTH = "/api/health"
_START_LIMIT_S = 20.0


def run() -> Table:
    """One row for each route."""
    seen: dict[str, list[Measured]] = {}
    cpu_us: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="spillway-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)
        with running(Path(folder) / "data", log_level="warning") as instance:
            body = Path(folder) / "body.json"
            body.write_bytes(httpx.get(instance.url + CONFIG).content)
            with _bare(body) as (bare_url, bare_pid):
                served = {
                    "bare Starlette route": (bare_url, bare_pid),
                    "throttling-config": (instance.url + CONFIG, instance.process.pid),
                    "/api/health": (instance.url + HEALTH, instance.process.pid),
                }

                def one(name: str) -> float:
                    url, pid = served[name]
                    before = _cpu_s(pid)
                    found = measure(url, REQUESTS, AT_ONCE)
                    seen.setdefault(name, []).append(found)
                    cpu_us.setdefault(name, []).append((_cpu_s(pid) - before) / REQUESTS * 1e6)
                    return 1.0 / max(found.per_s, 0.001)

                rounds = interleaved({name: (lambda name=name: one(name)) for name in served}, ROUNDS)  # type: ignore[misc]
    rows: list[list[str | float]] = []
    for name, runs in seen.items():
        ratio = rounds.ratio("bare Starlette route", name)
        cpu = median(bare / ours for bare, ours in zip(cpu_us["bare Starlette route"], cpu_us[name], strict=True))
        rows.append(
            [
                name,
                1.0 / rounds.median(name),
                ratio,
                median(cpu_us[name]),
                cpu,
                median(run.percentiles_ms.get(99, 0.0) for run in runs),
                sum(run.failed for run in runs),
                sum(run.refused for run in runs),
            ]
        )
    ours = [run for name, runs in seen.items() if name != "bare Starlette route" for run in runs]
    return Table(
        f"Requests a second: ab -n {REQUESTS} -c {AT_ONCE}",
        ("route", "requests/s", "× bare", "CPU µs each", "× bare by CPU", "p99 ms", "failed", "not 2xx"),
        rows,
        f"Median of {ROUNDS} interleaved rounds, client {client()} on the same machine, a new connection for each request. Both are served by uvicorn "
        "with the same settings, each in its own process; all gates are in place in front of Spillway's routes, and its console runs beside. Other "
        "work on the machine costs the larger program more, so CPU is told, too.",
        {
            "no request fails or is refused": not any(run.failed or run.refused for run in ours),
            f"throttling-config ≥ {LEAST_RATIO} × the bare route": rounds.ratio("bare Starlette route", "throttling-config") >= LEAST_RATIO,
        },
    )


@contextlib.contextmanager
def _bare(body: Path) -> Iterator[tuple[str, int]]:
    """A bare route that answers the bytes of `body`, served in a process of its own: its address and process."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.http_gates", str(port), str(body)], cwd=ROOT)  # noqa: S603 - this very module
    try:
        end = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"http://127.0.0.1:{port}{CONFIG}", timeout=1).raise_for_status()
                break
        yield f"http://127.0.0.1:{port}{CONFIG}", process.pid
    finally:
        process.terminate()
        process.wait(10)


def _cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used; 0 where the kernel does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _serve_bare(port: int, body: bytes) -> None:
    """Serve `body` at the path of throttling-config."""

    async def answer(_request: Request) -> Response:
        return Response(body, media_type="application/json")

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config = uvicorn.Config(Starlette(routes=[Route(CONFIG, answer)]), **uvicorn_options(Settings(port=port)))
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    _serve_bare(int(sys.argv[1]), Path(sys.argv[2]).read_bytes())
