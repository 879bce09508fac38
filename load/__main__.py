"""`make load`: Locust, ab and Artillery against a started Spillway, or against a demo of its own. A report at the end.

LOAD_URL and LOAD_TOKEN (role operator) name the target; LOAD_EMAIL and LOAD_PASSWORD open pages, too. LOAD_USERS (50), LOAD_SECONDS (30).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.harness.machine import facts as machine
from load import scenario
from load.ab import Measured, client, command, measure
from load.calls import CONFIG, HISTORY, POOL
from load.report import page, pool_peak
from tests.instance import ADMIN_EMAIL, ADMIN_PASSWORD, ROOT, running

KIT = ROOT / ".cache" / "load"
RESULTS = ROOT / "load" / "results"
HEALTH = "/api/health"
_SPARE_S = 60


def main() -> int:
    """0 when nothing failed; refusals with Retry-After are no failures."""
    users, seconds = os.environ.get("LOAD_USERS", "50"), int(os.environ.get("LOAD_SECONDS", "30"))
    with ExitStack() as stack:
        given = _target(stack)
        url = given["LOAD_URL"]
        print(f"load: {users} users for {seconds} s against {url}", flush=True)
        began_ms = time.time() * 1000
        locust = _locust(given, users, seconds)
        if locust is None:
            return 1
        bars: dict[str, Measured] = {}
        for path in (HEALTH, CONFIG):
            print("load:", " ".join(command(url + path, 1000, 50)), f"({client()})", flush=True)
            bars[path] = measure(url + path)
        print("load: Artillery, load/artillery/scenario.yml", flush=True)
        artillery = scenario.measure(given)
        peak = _peak(url, given["LOAD_TOKEN"], began_ms)
        mine = machine()
        facts = {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "target": "a demo of its own" if "LOAD_URL" not in os.environ else url,
            "users": f"{users} for {seconds} s",
            "client on": f"{mine['cpus']} × {mine['processor']}, load average {mine['load_average_1m']}",
        }
        report = page(facts, locust, bars, peak, artillery)
    RESULTS.mkdir(parents=True, exist_ok=True)
    place = RESULTS / f"{facts['when'].replace(':', '').replace('+0000', 'Z')}.md"
    place.write_text(report, encoding="utf-8")
    print(report)
    print(f"report: {place.relative_to(ROOT)}")
    failed = sum(row["failed"] for row in locust["rows"]) + sum(one.failed for one in bars.values()) + artillery.failed
    return 1 if failed else 0


def _target(stack: ExitStack) -> dict[str, str]:
    """Where the load goes and as whom; without LOAD_URL, to a demo that lives as long as `stack`."""
    given = {name: os.environ[name] for name in ("LOAD_URL", "LOAD_TOKEN", "LOAD_EMAIL", "LOAD_PASSWORD") if name in os.environ}
    if "LOAD_URL" in given:
        if "LOAD_TOKEN" not in given:
            sys.exit('LOAD_TOKEN is missing: a token of role operator (make cli ARGS="token create --name load --role operator")')
        return {**given, "LOAD_URL": given["LOAD_URL"].rstrip("/")}
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spillway-load-", dir="/var/tmp")))
    folder.chmod(0o711)  # as root the embedded server runs under another account
    instance = stack.enter_context(running(folder / "data", demo=True, log_level="warning"))
    return {
        "LOAD_URL": instance.url,
        "LOAD_TOKEN": instance.token("operator"),
        "LOAD_EMAIL": ADMIN_EMAIL,
        "LOAD_PASSWORD": ADMIN_PASSWORD,
    }


def _locust(given: Mapping[str, str], users: str, seconds: int) -> dict[str, Any] | None:
    """What Locust measured; None when it did not run."""
    with tempfile.TemporaryDirectory(prefix="spillway-load-") as folder:
        out = Path(folder) / "locust.json"
        environment = {**os.environ, **given, "LOAD_OUT": str(out), "PYTHONPATH": f"{KIT}{os.pathsep}{ROOT}"}
        options = ["--headless", "--only-summary", "--skip-log-setup", "--exit-code-on-error", "0"]
        spawn = str(max(int(users) // 5, 1))
        subprocess.run(  # noqa: S603 - the kit's own program
            [
                sys.executable,
                "-m",
                "locust",
                "-f",
                "load/locustfile.py",
                *options,
                "-u",
                users,
                "-r",
                spawn,
                "-t",
                f"{seconds}s",
                "--host",
                given["LOAD_URL"],
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            timeout=seconds + _SPARE_S,
            check=False,
        )
        if not out.is_file():
            print("load: Locust did not run; its words are above", file=sys.stderr)
            return None
        said: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return said


def _peak(url: str, token: str, began_ms: float) -> tuple[int, int, int]:
    """The pool's peak since `began_ms`, by its guard: in use, waiting, capacity."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=10) as asking:
        capacity = asking.get(POOL).raise_for_status().json()["pool"]["capacity"]
        history = asking.get(HISTORY, params={"minutes": 15}).raise_for_status().json()
    return (*pool_peak(history, began_ms, capacity), capacity)


if __name__ == "__main__":
    sys.exit(main())
