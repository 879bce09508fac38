"""How fast the guard's calls answer over HTTP while the pool is exhausted, the server is frozen, the server is stopped."""

import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import httpx

from benchmarks.harness.rounds import percentile
from benchmarks.harness.table import Table
from tests.instance import Instance, running

CALLS = 1000
LIMIT_MS = 50.0
_BASE = "/api/v1/health/database"
PATHS = {
    "status": f"{_BASE}/status",
    "throttling-config": f"{_BASE}/throttling-config",
    "holders": f"{_BASE}/holders",
    "ping": "/api/v1/health/ping",
}
_KNOWN_S = 6.0


def run() -> Table:
    """One row for each trouble and call: p50 and p99 of 1,000, the four calls in turn."""
    rows: list[list[str | float]] = []
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="spillway-bench-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)
        with running(Path(folder) / "data", demo=True, log_level="warning") as instance, instance.client() as client:
            for trouble, within in _troubles(instance, client).items():
                with within():
                    for name, milliseconds in _measure(client).items():
                        p99 = percentile(milliseconds, 99)
                        worst = max(worst, p99)
                        rows.append([f"{trouble}: {name}", percentile(milliseconds, 50), p99, max(milliseconds)])
    return Table(
        "Guard calls in trouble",
        ("state and call", "p50 ms", "p99 ms", "slowest ms"),
        rows,
        f"{CALLS:,} calls each over HTTP with a bearer token, one after the other, the four calls in turn, on a real instance with its console and 24 demo sources.",
        {f"p99 is under {LIMIT_MS:g} ms in every state": worst < LIMIT_MS},
    )


def _troubles(instance: Instance, client: httpx.Client) -> dict[str, Callable[[], AbstractContextManager[object]]]:
    """How to get into each state, from the calmest."""

    def exhausted() -> AbstractContextManager[object]:
        while (pool := client.get(PATHS["status"]).json()["pool"])["checked_out"] < pool["capacity"]:
            free = pool["capacity"] - pool["checked_out"]
            client.post("/api/v1/drill/hold", json={"connections": free, "seconds": 600, "kind": "leak"}).raise_for_status()
        return _released(client)

    return {"calm": nullcontext, "exhausted": exhausted, "frozen": instance.postgres_frozen, "stopped": instance.postgres_stopped}


class _released(AbstractContextManager["_released"]):  # noqa: N801 - reads as what it leaves behind
    """Gives the drill's connections back at the end."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def __exit__(self, *_error: object) -> None:
        """Give them back."""
        self._client.post("/api/v1/drill/hold", json={"connections": 0}).raise_for_status()


def _measure(client: httpx.Client) -> dict[str, list[float]]:
    """Milliseconds of every call."""
    taken: dict[str, list[float]] = {name: [] for name in PATHS}
    for _ in range(CALLS):
        for name, path in PATHS.items():
            began = time.perf_counter()
            client.get(path).raise_for_status()
            taken[name].append((time.perf_counter() - began) * 1000)
    return taken
