"""What a closed breaker costs a successful call, against four libraries in the same run: `make bench BENCH=breaker`.

Each alternative guards the same coroutine in the way its own documentation recommends as the fastest; the bare coroutine is taken off.
Rounds are interleaved, in an order that turns. Ours is measured as `console/client/caller.py` calls it: one reading of the clock before the
call, one after it, the ticket asked for and its outcome brought back. The libraries measure no duration.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiobreaker
import circuitbreaker
import purgatory
import pybreaker

from benchmarks.harness.table import Table
from dashboard_app.model.breaker import BreakerLimits, RateLimits
from dashboard_app.model.clock import SystemClock
from dashboard_app.runtime.named_breaker import NamedBreaker

ROUNDS = 40
CALLS = 5_000
LIMIT_NS = 300.0
LIMIT_RATIO = 0.6
OURS = "Spillway"
COLUMNS = ("breaker, closed, a call that succeeds", "overhead ns", "Spillway's share of it")
Loop = Callable[[int], Awaitable[float]]


async def _work(value: int) -> int:
    """The call that is guarded."""
    return value


async def _bare(calls: int) -> float:
    """Seconds for `calls` without a breaker."""
    began = time.perf_counter()
    for number in range(calls):
        await _work(number)
    return time.perf_counter() - began


def _ours(limits: BreakerLimits) -> Loop:
    """Our breaker, used as the console's caller uses it."""
    clock = SystemClock()
    breaker = NamedBreaker("bench", limits, clock)

    async def loop(calls: int) -> float:
        ask, answered, monotonic = breaker.ask, breaker.answered, clock.monotonic
        began = time.perf_counter()
        for number in range(calls):
            ticket = ask()
            sent = monotonic()
            await _work(number)
            answered(ticket, sent)
        return time.perf_counter() - began

    return loop


def _called(guarded: Callable[[int], Awaitable[int]]) -> Loop:
    """A library that wraps the function."""

    async def loop(calls: int) -> float:
        began = time.perf_counter()
        for number in range(calls):
            await guarded(number)
        return time.perf_counter() - began

    return loop


async def _purgatory() -> Loop:
    """purgatory, its breaker object kept, as a context."""
    breaker = await purgatory.AsyncCircuitBreakerFactory().get_breaker("bench")

    async def loop(calls: int) -> float:
        began = time.perf_counter()
        for number in range(calls):
            async with breaker:
                await _work(number)
        return time.perf_counter() - began

    return loop


def _aiobreaker() -> Loop:
    """Aiobreaker by `call_async`, which is faster than its decorator."""
    breaker = aiobreaker.CircuitBreaker()

    async def loop(calls: int) -> float:
        began = time.perf_counter()
        for number in range(calls):
            await breaker.call_async(_work, number)
        return time.perf_counter() - began

    return loop


def _pybreaker() -> Loop:
    """Pybreaker as a context; its own asynchronous call needs tornado and is slower by far."""
    breaker = pybreaker.CircuitBreaker()

    async def loop(calls: int) -> float:
        began = time.perf_counter()
        for number in range(calls):
            with breaker.calling():
                await _work(number)
        return time.perf_counter() - began

    return loop


async def _measured() -> dict[str, float]:
    """Nanoseconds of overhead per call by name: best round less best bare round, since other work on a machine only ever adds."""
    loops: dict[str, Loop] = {
        OURS: _ours(BreakerLimits()),
        "Spillway, sliding window on": _ours(BreakerLimits(rates=RateLimits())),
        "purgatory 3.0.1": await _purgatory(),
        "circuitbreaker 2.1.3": _called(circuitbreaker.circuit(_work)),
        "aiobreaker 1.2.0": _aiobreaker(),
        "pybreaker 1.4.1": _pybreaker(),
    }
    loops["bare"] = _bare
    names = list(loops)
    seen: dict[str, list[float]] = {name: [] for name in names}
    for number in range(ROUNDS + 1):
        start = number % len(names)
        for name in (*names[start:], *names[:start]):
            seconds = await loops[name](CALLS)
            if number:
                seen[name].append(seconds)
    best = {name: min(values) / CALLS * 1e9 for name, values in seen.items()}
    return {name: value - best["bare"] for name, value in best.items() if name != "bare"}


def run() -> Table:
    """The table; the first row is ours, and its last cell is its share of the fastest library."""
    overhead = asyncio.run(_measured())
    ours = overhead[OURS]
    share = ours / min(value for name, value in overhead.items() if not name.startswith(OURS))
    rows: list[list[str | float]] = [[OURS, ours, share]]
    rows += [[name, value, ours / value] for name, value in overhead.items() if name != OURS]
    return Table(
        "What a closed breaker costs a call that succeeds",
        COLUMNS,
        rows,
        f"{ROUNDS} rounds of {CALLS:,} calls each, interleaved; the best round less the best of the bare coroutine. In the first row the last "
        "column is Spillway's share of the fastest library, in the others its share of that row.",
        {
            f"a closed breaker costs at most {LIMIT_NS:g} ns a call": ours <= LIMIT_NS,
            f"and at most {LIMIT_RATIO:g} of the fastest of the four": share <= LIMIT_RATIO,
        },
    )
