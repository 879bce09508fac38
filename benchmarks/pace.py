"""How long 1,000 sources take by the plan and by the adaptive pace, at a pool of 30 that others use, too.

`python -m benchmarks.pace`; `--write` puts the table into docs/loader.md.

The console is the real one (loader, lanes, policy, queue, breaker, client, polls) on a clock that jumps; the server is simulated
(`simulation/server`). One row is repeated on real time over real sockets.
"""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn

from benchmarks.harness.table import Table
from benchmarks.simulation.server import CAPACITY, Behaviour, Figures, SimulatedServer
from benchmarks.simulation.virtual_time import LoopClock, run_virtually
from dashboard_app.console.console import Console
from dashboard_app.model.clock import Clock, SystemClock
from dashboard_app.settings import Settings

SOURCES = 1000
LIMIT_S = 7200.0
STEPS, HARD_STEPS = ((0.3, 20), (1.0, 10)), ((0.3, 22), (1.0, 8))
THREE_TIMES, BULK_TIMES = 25.0, 200.0
_REAL_SLACK = 0.25
CLOSED_FORM_S = 482.9
_GRACE_S = 10.0
PAGE = Path(__file__).resolve().parent.parent / "docs" / "loader.md"
BEGIN, END = "<!-- python -m benchmarks.pace --write -->", "<!-- end -->"

HELD: dict[str, Behaviour] = {
    "0 held": Behaviour(SOURCES),
    "10 held": Behaviour(SOURCES, others=10),
    "20 held": Behaviour(SOURCES, others=20),
    "0→20→10": Behaviour(SOURCES, steps=STEPS),
    "0→22→8": Behaviour(SOURCES, steps=HARD_STEPS),
}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "plan": ("batched", {"offers_bulk": False}),
    "adaptive, 3 at once": ("adaptive", {"offers_bulk": False, "most_at_once": 3}),
    "adaptive": ("adaptive", {"offers_bulk": False}),
    "adaptive, bulk": ("adaptive", {}),
}
COLUMNS = (
    "1,000 sources, 50 ms each",
    "others",
    "seconds",
    "times faster than the plan",
    "… than the plan with 0 held",
    "requests",
    "peak of 30",
    "refused",
    "others kept waiting",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One round over all sources."""

    seconds: float
    failed: int
    figures: Figures


def run() -> Table:
    """The table, and whether its bounds hold."""
    measured = {(kind, held): simulated(kind, held) for kind in KINDS for held in HELD}
    free_s = measured["plan", "0 held"].seconds
    rows: list[list[str | float]] = [
        _row(kind, held, each, measured["plan", held].seconds, free_s) for (kind, held), each in measured.items()
    ]
    told = asyncio.run(_round(SystemClock(), "adaptive", HELD["0 held"], over_sockets))
    rows.append(_row("adaptive, bulk, real time and sockets", "0 held", told, free_s, free_s))
    return Table(
        f"{SOURCES:,} sources, one lane, at a pool of {CAPACITY}",
        COLUMNS,
        rows,
        "Health lane of the real console on a virtual clock. The server is simulated: a request holds a connection of SQLAlchemy's 20 + 10 while "
        "it runs and is refused at once at 30; level, config and hint are those of `policy/throttle`, so from 70 % on requests are 300 ms apart "
        "and 70 a minute for every pace, the plan, too; a bulk read's probes wait behind the server's own lanes. "
        f"Steps come {STEPS[0][0]:g} s and {STEPS[1][0]:g} s after the first reading; at 22 held a few requests more mean AGGRESSIVE for 5 s.",
        _claims(measured, free_s, measured["adaptive, bulk", "0 held"].seconds, told),
    )


def simulated(kind: str, held: str) -> Measured:
    """One cell of the table, on virtual time."""
    pace, changes = KINDS[kind]
    return run_virtually(_round(LoopClock(), pace, replace(HELD[held], **changes), in_process))


def _claims(measured: dict[tuple[str, str], Measured], free_s: float, simulated_s: float, real: Measured) -> dict[str, bool]:
    """The bounds."""

    def times(kind: str, held: str) -> float:
        return measured["plan", held].seconds / measured[kind, held].seconds

    return {
        "no request is refused, and no source is missing": not any(each.figures.refused or each.failed for each in measured.values()),
        f"the plan takes what its closed form says, {CLOSED_FORM_S:g} s, to 0.5 %": abs(free_s - CLOSED_FORM_S) < 0.005 * CLOSED_FORM_S,
        f"with 3 at once ≥ {THREE_TIMES:g} times faster than the plan while the server stays at NORMAL (0 and 10 held)": all(
            times("adaptive, 3 at once", held) >= THREE_TIMES for held in ("0 held", "10 held")
        ),
        f"with bulk reads ≥ {BULK_TIMES:g} times faster than the plan with 0, 10, 20 held and steps between them": all(
            times("adaptive, bulk", held) >= BULK_TIMES for held in ("0 held", "10 held", "20 held", "0→20→10")
        ),
        f"on real time within {_REAL_SLACK:.0%} + 0.5 s of the simulated": abs(real.seconds - simulated_s)
        <= _REAL_SLACK * simulated_s + 0.5,
    }


def _row(kind: str, held: str, each: Measured, plan_s: float, free_s: float) -> list[str | float]:
    """One line of the table."""
    took, told = each.seconds, each.figures
    return [kind, held, took, plan_s / took, free_s / took, told.requests, told.peak, told.refused, told.waited]


@contextlib.asynccontextmanager
async def in_process(server: SimulatedServer, settings: dict[str, Any], clock: Clock) -> AsyncIterator[Console]:
    """A console that calls the server's app."""
    yield Console(Settings(**settings), clock, app=server)


@contextlib.asynccontextmanager
async def over_sockets(server: SimulatedServer, settings: dict[str, Any], clock: Clock) -> AsyncIterator[Console]:
    """A console that calls the server over the loopback."""
    serving = uvicorn.Server(uvicorn.Config(server, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    task = asyncio.create_task(serving.serve())
    try:
        async with asyncio.timeout(_GRACE_S):
            while not serving.started:  # noqa: ASYNC110 - uvicorn offers no event
                await asyncio.sleep(0.01)
        port = serving.servers[0].sockets[0].getsockname()[1]
        yield Console(Settings(backend_url=f"http://127.0.0.1:{port}", **settings), clock)
    finally:
        serving.should_exit = True
        await asyncio.wait({task}, timeout=_GRACE_S)


Connect = Callable[[SimulatedServer, dict[str, Any], Clock], contextlib.AbstractAsyncContextManager[Console]]


async def _round(clock: Clock, pace: str, behaviour: Behaviour, connect: Connect) -> Measured:
    """One full round of the health lane."""
    server = SimulatedServer(behaviour)
    with tempfile.TemporaryDirectory() as folder:
        async with connect(server, {"data_dir": Path(folder), "pace": pace}, clock) as console:
            try:
                return await _measured(console, server)
            finally:
                server.close()
                await console.queue.close()
                await console.backend.close()


async def _measured(console: Console, server: SimulatedServer) -> Measured:
    """Run what the round needs until it has ended."""
    loader, ended = console.loader, asyncio.Event()
    loader.health.on_progress = lambda: ended.set() if loader.health.last_round is not None else None
    loops: list[Coroutine[Any, Any, None]] = [console.polls.run_config(), console.polls.run_status(), console.polls.run_pings()]
    tasks = [asyncio.create_task(each) for each in (*loops, loader.run_list(), loader.health.run())]
    try:
        async with asyncio.timeout(LIMIT_S):
            await ended.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    report = loader.health.last_round
    assert report is not None
    return Measured(report.duration_s, report.failed, server.figures)


def _write(table: Table) -> None:
    """Put the table into docs/loader.md."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n#{table.markdown()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    table = run()
    print(table.text())
    if "--write" in sys.argv[1:]:
        _write(table)
    sys.exit(0 if all(table.claims.values()) else 1)
