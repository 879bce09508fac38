"""SIGKILL at random moments of journal and updater in a child; a full disk and failing syncs in the same child."""

import asyncio
import contextlib
import random
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import asyncpg

from dashboard_app.store.database import connect
from dashboard_app.store.embedded import EmbeddedServer
from tests.faults.jobs.book import Book, Outcome, backwards, made_jobs, own_server, prepare
from tests.faults.jobs.worker import POINTS, TEN, TOLD, Task, work
from tests.instance import url_of
from tests.preloaded import FORKING

_LONGEST_S = 0.6
_ROOM = 1_000_000
"""Numbers that one worker may use."""


class _Lane:
    """One journal, one set of jobs, one worker after the other: what one leaves behind, the next replays."""

    def __init__(self, server: EmbeddedServer, folder: Path, connection: asyncpg.Connection, jobs: list[int], outcome: Outcome) -> None:
        folder.mkdir(exist_ok=True)
        self._server, self.folder, self._connection, self.outcome = server, folder, connection, outcome
        self._book = Book(jobs)
        self._number = 0

    async def run(self, kill_after_s: float | None, seed: int, *, at_work: bool = False, **what: object) -> None:
        """One worker, killed after so many seconds (None: by itself, or not at all), and what it told until then.

        `at_work`: the seconds begin when it has written what it found.
        """
        self._number += _ROOM
        task = Task(url_of(self._server.address()), self.folder, self._book.jobs, self._number, seed, **what)  # type: ignore[arg-type]
        ours, theirs = FORKING.Pipe(duplex=False)
        process = FORKING.Process(target=work, args=(task, theirs))
        await asyncio.to_thread(process.start)
        theirs.close()
        is_replayed = asyncio.Event()
        loop = asyncio.get_running_loop()
        told = asyncio.create_task(asyncio.to_thread(_heard, ours, lambda: loop.call_soon_threadsafe(is_replayed.set)))
        if kill_after_s is not None:
            if at_work:
                await asyncio.wait({told, asyncio.create_task(is_replayed.wait())}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(kill_after_s)
            process.kill()
        heard = await told
        await asyncio.to_thread(process.join)
        await self._judge(heard, process)
        self.outcome.notes.append(
            f"in {what['trap']}" if what.get("trap") and process.exitcode else "at random" if process.exitcode else "ended"
        )

    async def _judge(self, heard: list[tuple[bytes, float]], process: BaseProcess) -> None:
        """Once the journal of those before was replayed, all they had acknowledged is in the rows."""
        outcome = self.outcome
        for word, figure in heard:
            if word == b"P":
                outcome.worst_s = max(outcome.worst_s, figure)
                outcome.lost += await self._book.lost(self._connection)
            elif word == b"A":
                self._book.acknowledge(range(int(figure), int(figure) + TEN))
            else:
                outcome.refused += TEN
        outcome.runs += 1
        outcome.acknowledged = self._book.total
        if process.exitcode not in (0, -9, 255):  # 255: killed before it was known to the fork server
            outcome.notes.append(f"WORKER ENDED WITH {process.exitcode}")
            outcome.lost += 1

    async def end(self) -> None:
        """A last worker that nobody kills."""
        runs, notes = self.outcome.runs, list(self.outcome.notes)
        await self.run(None, 0, seconds=0.05)
        self.outcome.lost += await self._book.lost(self._connection)
        self.outcome.runs, self.outcome.notes = runs, notes
        if self.folder.is_mount():
            await asyncio.to_thread(subprocess.run, ["umount", str(self.folder)], check=True, timeout=10)


def _heard(pipe: Connection, replayed: Callable[[], object]) -> list[tuple[bytes, float]]:
    """Every message until the other end is closed."""
    messages = []
    with contextlib.suppress(EOFError, OSError):
        while True:
            messages.append(TOLD.unpack(pipe.recv_bytes()))
            if messages[-1][0] == b"P":
                replayed()
    return messages


async def _lanes(name: str, count: int, runs: int, each: object) -> Outcome:
    """`runs` workers in `count` lanes at once; `each` runs one."""
    with own_server() as (server, folder):
        await prepare(server.address(), folder)
        connections = [await connect(server.address(), application_name="faults") for _ in range(count)]
        lanes = [
            _Lane(server, folder / f"lane-{n}", connection, await made_jobs(connection), Outcome(name))
            for n, connection in enumerate(connections)
        ]

        async def along(lane: _Lane, share: range) -> None:
            for seed in share:
                await each(lane, seed)  # type: ignore[operator]
            await lane.end()

        await asyncio.gather(*(along(lane, range(n, runs, count)) for n, lane in enumerate(lanes)))
        found = [lane.outcome for lane in lanes]
        moved = await backwards(connections[0])
        for connection in connections:
            await connection.close()
    return Outcome(
        name,
        sum(one.runs for one in found),
        sum(one.acknowledged for one in found),
        sum(one.refused for one in found),
        sum(one.lost for one in found),
        moved,
        0,
        max(one.worst_s for one in found),
        "replay",
        [f"{note} {count}" for note, count in sorted(Counter(note for one in found for note in one.notes).items())],
    )


def killed_workers(runs: int) -> Outcome:
    """Half of them at a random time, half inside append, sync, rotation, trim, flush and commit."""

    async def each(lane: _Lane, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - which moment, not a secret
        if seed % 2:
            await lane.run(chance.random() * _LONGEST_S, seed)
        else:
            await lane.run(None, seed, trap=POINTS[seed // 2 % len(POINTS)], passes=chance.randint(1, 8), seconds=3.0)

    return asyncio.run(_lanes("SIGKILL of journal and updater", 2, runs, each))


def failing_syncs(runs: int) -> Outcome:
    """Three syncs of ten fail, then the worker is killed: refused is not acknowledged, and what was acknowledged before is safe."""

    async def each(lane: _Lane, seed: int) -> None:
        await lane.run(0.2 + random.Random(seed).random() * _LONGEST_S, seed, at_work=True, bad_fsync=True)  # noqa: S311 - which moment, not a secret

    return asyncio.run(_lanes("failing fdatasync, then SIGKILL", 2, runs, each))


def full_disks(runs: int) -> Outcome:
    """A real file system that is really full for a moment, then the worker is killed. Needs the right to mount a tmpfs."""

    async def each(lane: _Lane, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - which moment, not a secret
        with _small_disk(lane.folder):
            filler = asyncio.create_task(_fill(lane.folder, chance))
            await lane.run(0.5 + chance.random() * _LONGEST_S, seed, at_work=True)
            await filler

    async def lanes() -> Outcome:
        return await _lanes("full disk, then SIGKILL", 1, runs, each)

    return asyncio.run(lanes())


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[None]:
    """A tmpfs of 1 MiB on the lane's folder; mounted once, kept until the harness ends."""
    if not folder.is_mount():
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True, timeout=10)
    yield


async def _fill(folder: Path, chance: random.Random) -> None:
    """Fill the disk to its last byte for a while, and make room again."""
    await asyncio.sleep(0.2 + chance.random() * 0.2)
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as out:
        while True:
            out.write(b"\0" * 512)
    await asyncio.sleep(0.05 + chance.random() * 0.15)
    ballast.unlink()
