"""ApacheBench, and a small client of the same habits for machines that have none: N requests, C at once, a new connection for each."""

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LIMIT_S = 30
_PATH = "/usr/sbin:/usr/bin:/bin:/usr/local/bin"
_FIGURE = re.compile(r"^(Complete requests|Failed requests|Non-2xx responses|Requests per second):\s+([0-9.]+)", re.MULTILINE)
_PERCENTILE = re.compile(r"^\s+(\d+)%\s+(\d+)", re.MULTILINE)
_STATUS_AT = slice(9, 12)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run. `failed`: no answer, or one of another length than the first (as `ab` counts); `refused`: answers that are not 2xx."""

    client: str
    requests: int
    failed: int
    refused: int
    per_s: float
    percentiles_ms: Mapping[int, float] = field(default_factory=dict)


def client() -> str:
    """Which client this machine has."""
    return "ab" if _program() else "built-in"


def command(url: str, requests: int, at_once: int, token: str = "") -> list[str]:
    """The `ab` line."""
    said = ["-H", f"Authorization: Bearer {token}"] if token else []
    return ["ab", "-q", "-n", str(requests), "-c", str(at_once), "-s", str(LIMIT_S), *said, url]


def measure(url: str, requests: int = 1000, at_once: int = 50, token: str = "") -> Measured:
    """Ask `url` and count. `ab` when it is here, else our own client, which is slower: compare only runs of one client."""
    program = _program()
    if program is None:
        return asyncio.run(_by_hand(url, requests, at_once, token))
    line = [program, *command(url, requests, at_once, token)[1:]]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=LIMIT_S * 10)  # noqa: S603 - the program that was asked for
    if done.returncode != 0:
        return Measured("ab", requests, requests, 0, 0.0)
    return read(done.stdout)


def read(said: str) -> Measured:
    """What `ab` printed."""
    figures = {name: float(value) for name, value in _FIGURE.findall(said)}
    return Measured(
        "ab",
        int(figures["Complete requests"]),
        int(figures["Failed requests"]),
        int(figures.get("Non-2xx responses", 0)),
        figures["Requests per second"],
        {int(percent): float(ms) for percent, ms in _PERCENTILE.findall(said)},
    )


def _program() -> str | None:
    """Where `ab` is."""
    return shutil.which("ab") or shutil.which("ab", path=_PATH)


async def _by_hand(url: str, requests: int, at_once: int, token: str) -> Measured:
    """The same by our own client."""
    parts = urlsplit(url)
    host, port, path = parts.hostname or "127.0.0.1", parts.port or 80, parts.path + (f"?{parts.query}" if parts.query else "")
    said = f"Authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nAccept: */*\r\n{said}\r\n".encode()
    answers: list[tuple[int, int, float]] = []
    left = iter(range(requests))

    async def worker() -> None:
        for _ in left:
            began = time.perf_counter()
            try:
                async with asyncio.timeout(LIMIT_S):
                    raw = await _exchange(host, port, request)
                status = int(raw[_STATUS_AT])
                length = len(raw.partition(b"\r\n\r\n")[2])
            except (OSError, TimeoutError, ValueError):
                status, length = 0, -1
            answers.append((status, length, (time.perf_counter() - began) * 1000))

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    took_s = time.perf_counter() - began
    usual = next((length for status, length, _ in answers if status), -1)
    times = sorted(ms for status, _, ms in answers if status)
    return Measured(
        "built-in",
        len(answers),
        sum(status == 0 or length != usual for status, length, _ in answers),
        sum(status // 100 != 2 for status, _, _ in answers if status),  # noqa: PLR2004 - HTTP's own number
        len(times) / took_s,
        {percent: round(times[min(len(times) * percent // 100, len(times) - 1)], 1) for percent in (50, 95, 99)} if times else {},
    )


async def _exchange(host: str, port: int, request: bytes) -> bytes:
    """One request on a connection of its own."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        return await reader.read(-1)
    finally:
        writer.close()
