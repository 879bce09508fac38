"""`python -m tests.faults.console.crowd [seconds]`: one page open for five minutes, then fifty that come and go at random; what the server behind is asked."""

import asyncio
import contextlib
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil

from benchmarks.harness.table import Table
from tests.browser.raw_session import RawSession
from tests.console.stub_backend import StubBackend
from tests.console.stub_backend import running as stubbed
from tests.instance import ADMIN_EMAIL, ADMIN_PASSWORD, Instance, running

SECONDS = 300.0
SESSIONS = 50
_WARM_S = 60.0
_SETTLE_S = 150.0
"""What closed pages showed is kept for two minutes."""
SOURCES = 20
"""As many reads more as a round makes are allowed: rounds do not begin at the same moment of each phase."""
_GROWN_MB = 20.0
_PATHS = ("/", "/pool", "/breakers", "/alerts")


async def _comes_and_goes(instance: Instance, cookie: str, dice: random.Random, counts: Counter[str]) -> None:
    """One person: opens a page, looks for up to 9 s, leaves or is cut, comes back."""
    while True:
        session = RawSession()
        try:
            async with asyncio.timeout(20):
                await session.open(instance.url, cookie, dice.choice(_PATHS))
                counts["opened"] += 1
                await asyncio.sleep(dice.uniform(0.0, 9.0))
        except TimeoutError:
            counts["late"] += 1
        finally:
            with contextlib.suppress(Exception):
                await session.close()
        await asyncio.sleep(dice.uniform(0.0, 1.0))


@contextlib.asynccontextmanager
async def _crowd(instance: Instance, cookie: str, counts: Counter[str]) -> AsyncIterator[None]:
    """People who come and go as long as the block lasts."""
    dice = random.Random(7)  # noqa: S311 - moments, no secret
    crowd = [asyncio.create_task(_comes_and_goes(instance, cookie, dice, counts)) for _ in range(SESSIONS - 1)]
    yield
    for one in crowd:
        one.cancel()
    await asyncio.wait(crowd)


async def _signed_in(url: str) -> str:
    """A session cookie, by the form of the sign-in page."""
    async with httpx.AsyncClient(base_url=url, headers={"Origin": url}, timeout=10) as web:
        answer = await web.post("/login", data={"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD})
        return "; ".join(f"{name}={value}" for name, value in answer.cookies.items())


def _load(process: psutil.Process) -> tuple[float, int, int]:
    """Memory in MB, descriptors, threads of the console's process."""
    return process.memory_info().rss / 1e6, process.num_fds(), process.num_threads()


async def measured(seconds: float) -> tuple[Table, bool]:
    """The table, and whether every promise was kept."""
    counts: Counter[str] = Counter()
    folder = tempfile.TemporaryDirectory(prefix="spillway-crowd-", dir="/var/tmp")
    await asyncio.to_thread(Path(folder.name).chmod, 0o711)
    async with stubbed(StubBackend(count=SOURCES)) as stub:
        with folder, contextlib.ExitStack() as stack:
            instance = await asyncio.to_thread(stack.enter_context, running(Path(folder.name) / "data", backend_url=stub.url))
            cookie = await _signed_in(instance.url)
            process = psutil.Process(instance.process.pid)
            always = RawSession()
            await always.open(instance.url, cookie, "/")
            async with _crowd(instance, cookie, Counter()):
                await asyncio.sleep(_WARM_S)
            await asyncio.sleep(_SETTLE_S)
            alone, before = await _asked(stub, seconds), _load(process)
            async with _crowd(instance, cookie, counts):
                together = await _asked(stub, seconds)
            await asyncio.sleep(_SETTLE_S)
            after = _load(process)
            await always.close()
    is_kept = all(together[what] <= alone[what] + SOURCES for what in ("health", "stats", "list", "status"))
    is_kept = is_kept and after[0] - before[0] <= _GROWN_MB and after[1] <= before[1] + 2 and counts["opened"] > SESSIONS
    rows: list[list[str | float]] = [[f"requests: {what}", alone[what], together[what]] for what in sorted(alone | together)]
    rows += [
        [what, round(one, 1), round(other, 1)]
        for what, one, other in zip(("memory MB", "descriptors", "threads"), before, after, strict=True)
    ]
    note = f"{counts['opened']} pages were opened by {SESSIONS - 1} sessions, {counts['late']} not within 20 s. Memory and descriptors: before the crowd (a first one had come and gone), and {_SETTLE_S:g} s after it."
    return Table(f"One page, and {SESSIONS} sessions that come and go, {seconds:g} s each", ("", "one", "fifty"), rows, note=note), is_kept


async def _asked(stub: StubBackend, seconds: float) -> Counter[str]:
    """What the server is asked in so many seconds."""
    first = len(stub.seen)
    await asyncio.sleep(seconds)
    return Counter(each.what for each in stub.seen[first:])


def main(seconds: float) -> int:
    """0 when every promise was kept."""
    table, is_kept = asyncio.run(measured(seconds))
    print(table.text())
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS))
