"""Fuzz a started instance: `python -m tests.fuzz [api] [frames] [--cases 10000] [--frames 10000] [--seed 1]`; `make fuzz`.

Exit code 1 when something was found: a check of schemathesis that failed, a trace in the log, a process that ended or is not ready.
"""

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.fuzz import alone, api, frames
from tests.fuzz.furniture import furnished
from tests.instance import ROOT, Instance, running

TROUBLE = re.compile(rb"Traceback|exception in ASGI|handler error|failed, reference|never awaited|Task was destroyed", re.IGNORECASE)
ROOM = {"rate_limit_login": "100000/minute", "ws_max_bytes": 200_000}
"""Frames that end the session make the run sign in again; a message over the limit need not have 16 MB."""
KEPT_LOG = ROOT / ".cache" / "fuzz-serve.log"


def main(arguments: list[str]) -> int:
    """0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz a started instance.")
    parser.add_argument("--cases", type=int, default=10_000, help="requests that schemathesis sends at least; 0: none")
    parser.add_argument("--frames", type=int, default=10_000, help="WebSocket frames; 0: none")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(arguments)
    alone.enter("tests.fuzz", arguments)
    with tempfile.TemporaryDirectory(prefix="spillway-fuzz-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)  # as root the embedded server runs under another account
        with running(folder / "data", log_level="info", **ROOM) as instance:
            is_clean = True
            if asked.frames:
                is_clean = _timed("frames", lambda: frames.run(instance, asked.frames, asked.seed)) and is_well(instance)
            if asked.cases:
                with furnished(instance):
                    is_clean = _timed("API", lambda: api.run(instance, folder, asked.cases, asked.seed)) and is_well(instance) and is_clean
            return 0 if is_clean else 1


def _timed(what: str, part: Callable[[], bool]) -> bool:
    """What `part` says, and how long it took."""
    began = time.monotonic()
    said = part()
    print(f"fuzz: {what} took {time.monotonic() - began:.0f} s", flush=True)
    return said


def is_well(instance: Instance) -> bool:
    """True when the process lives, is ready, and its log has no trace; says what is wrong otherwise."""
    if instance.process.poll() is not None:
        print(f"fuzz: the process ended with {instance.process.returncode}")
        return False
    with instance.client(None) as client:
        ready = client.get("/readyz").status_code
    trouble = [line for line in instance.log.read_bytes().splitlines() if TROUBLE.search(line)]
    print(f"fuzz: /readyz {ready}, {len(trouble)} lines of trouble in the log")
    if trouble:
        shutil.copy(instance.log, KEPT_LOG)
        print(f"fuzz: the log is kept as {KEPT_LOG.relative_to(ROOT)}; it begins with {trouble[0].decode(errors='replace')}")
    return ready == 200 and not trouble


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
