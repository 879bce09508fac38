"""Every row by its name, and how one is run."""

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable

from tests.faults.matrix import checkouts, doors, pool, process, storage, strangers, streams, tabs, upstream
from tests.faults.matrix.row import Row
from tests.faults.matrix.stand import Stand

Run = Callable[[Stand, Row], Awaitable[None]]
LIMIT_S = 180.0

ROWS: dict[str, tuple[str, Run]] = {
    "f01": ("PostgreSQL down at the start", storage.f01),
    "f02": ("PostgreSQL dies mid-batch", storage.f02),
    "f03": ("PostgreSQL slow", storage.f03),
    "f04": ("PostgreSQL refuses connections", storage.f04),
    "f05": ("PostgreSQL has too many clients", storage.f05),
    "f06": ("PostgreSQL frozen, half-open TCP", storage.f06),
    "f07": ("pool exhausted", pool.f07),
    "f08": ("leaked connections", pool.f08),
    "f09": ("idle in transaction", pool.f09),
    "f10": ("a service answers wrongly", upstream.f10),
    "f11": ("Redis away", upstream.f11),
    "f12": ("SIGTERM with updates pending", process.f12),
    "f13": ("SIGKILL with updates pending", process.f13),
    "f14": ("full disk, failing fsync", process.f14),
    "f15": ("clock jumps", process.f15),
    "f16": ("1,000 tabs", tabs.f16),
    "f17": ("frozen readers of the stream", streams.f17),
    "f18": ("second app on one DATA_DIR", process.f18),
    "f19": ("poisoned updates", doors.f19),
    "f20": ("malformed settings", process.f20),
    "f21": ("a source hangs for ever", upstream.f21),
    "f22": ("event loop stalls", process.f22),
    "f23": ("no file descriptors left", doors.f23),
    "f24": ("little memory", tabs.f24),
    "f25": ("rolling deploy, old tabs", tabs.f25),
    "f26": ("reconnect storm", tabs.f26),
}
CLAIMS: dict[str, tuple[str, Run]] = {
    "checkouts": ("checkouts under 8 faults, both ways", checkouts.checkouts),
    "cuts": ("sockets cut, back at once", strangers.cuts),
    "handshakes": ("anonymous handshakes", strangers.handshakes),
    "stolen-token": ("a client token without its session", strangers.stolen_token),
    "pid-reuse": ("a pid with a new owner", pool.pid_reuse),
}
"""What the issue asks beside the rows, at its counts."""


def run(stand: Stand, name: str, limit_s: float = LIMIT_S) -> Row:
    """The row as it came out; an error is a broken promise, too."""
    title, work = (ROWS | CLAIMS)[name]
    row = Row(name.upper() if name in ROWS else name, title)
    began = time.monotonic()

    async def limited() -> None:
        async with asyncio.timeout(limit_s):
            await work(stand, row)

    try:
        asyncio.run(limited())
    except Exception as failure:  # noqa: BLE001 - a row that breaks is a result
        row.broken.append(f"{type(failure).__name__}: {str(failure)[:200]}")
        traceback.print_exc()
    row.took_s = time.monotonic() - began
    return row
