"""A console that runs against a stub over real sockets, and waiting for a condition with a deadline."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from dashboard_app.console.console import Console
from dashboard_app.model.clock import SystemClock
from dashboard_app.settings import Settings


async def until(condition: Callable[[], object], *, within_s: float = 10.0) -> float:
    """How long it took until `condition` held."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, "the condition did not come true in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


@contextlib.asynccontextmanager
async def console_on(url: str, data_dir: Path, **settings: Any) -> AsyncIterator[Console]:
    console = Console(Settings(backend_url=url, data_dir=data_dir, **settings), SystemClock())
    task = asyncio.create_task(console.run())
    try:
        yield console
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
