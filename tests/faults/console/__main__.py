"""`python -m tests.faults.console [seconds]`: each way of being sick for two minutes, four at a time, as a table. Exit code 1 when a promise was broken."""

import asyncio
import json
import sys
from typing import Any

from benchmarks.harness.table import Table
from tests.faults.console.sick import MODES

SECONDS = 120.0
AT_ONCE = 4
BANNER_S, STALL_S, GROWN_MB = 15.0, 1.0, 20.0
_SPARE_S = 400.0
COLUMNS = ("server is", "requests", "trials", "after opening", "banner s", "false ages", "stall ms", "memory MB", "well again s", "holds")


def holds(seen: dict[str, Any]) -> bool:
    """No request but trials once the breaker is open, banner within 15 s, ages true, never hung, at most 20 MB, well again.

    What is under way when it opens comes to its end, and a trial that fails has a second try: twice the trials are allowed, and the five places.
    """
    is_flapping = seen["mode"] == "flapping"
    return (
        (is_flapping or seen["after_open"] <= seen["trials"] + 5)
        and (is_flapping or (seen["banner_s"] is not None and seen["banner_s"] <= BANNER_S))
        and not seen["false_ages"]
        and seen["stall_s"] <= STALL_S
        and seen["grown_mb"] <= GROWN_MB
        and seen["well_s"] is not None
    )


async def _seen(mode: str, seconds: float, places: asyncio.Semaphore) -> dict[str, Any]:
    """One console in a process of its own."""
    async with places, asyncio.timeout(seconds + _SPARE_S):
        line = (sys.executable, "-m", "tests.faults.console.sick", mode, str(seconds))
        child = await asyncio.create_subprocess_exec(*line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
        said, _ = await child.communicate()
    found: dict[str, Any] = json.loads(said)
    return found


async def main(seconds: float) -> int:
    """0 when every promise was kept."""
    places = asyncio.Semaphore(AT_ONCE)
    found = await asyncio.gather(*(_seen(mode, seconds, places) for mode in MODES))
    rows: list[list[str | float]] = [
        [
            each["mode"],
            each["asked"],
            each["trials"],
            each["after_open"],
            "none" if each["banner_s"] is None else round(each["banner_s"], 1),
            each["false_ages"],
            round(each["stall_s"] * 1000),
            round(each["grown_mb"], 1),
            "never" if each["well_s"] is None else round(each["well_s"], 1),
            "yes" if holds(each) else "NO",
        ]
        for each in found
    ]
    print(Table(f"A console of 20 sources, the server sick for {seconds:g} s", COLUMNS, rows).text())
    return 0 if all(map(holds, found)) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)))
