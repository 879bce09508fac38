"""The Artillery scenario: installed from its lockfile with the console's own JavaScript runtime, run, and read."""

import json
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent / "artillery"
_KIT = HERE.parent.parent / ".cache" / "artillery"
_INSTALL_S = 300
_RUN_S = 150
"""The scenario's own 30 s, its start on a busy machine, and what the slowest users need to end."""
_PACKAGES = ("package.json", "bun.lock")


@dataclass(frozen=True, slots=True)
class Scenario:
    """What Artillery counted. `note` says why it counted nothing. `failed`: users that did not come to their end, or answers of 5xx but 503."""

    note: str = ""
    users: int = 0
    failed: int = 0
    requests: int = 0
    per_s: float = 0.0
    codes: Mapping[str, int] = field(default_factory=dict)
    percentiles_ms: Mapping[int, float] = field(default_factory=dict)


def measure(given: Mapping[str, str]) -> Scenario:
    """Run it against LOAD_URL of `given`; a machine that cannot install it gets a sentence."""
    if os.environ.get("LOAD_ARTILLERY", "true").lower() == "false":
        return Scenario("was left out (LOAD_ARTILLERY=false)")
    runtime = Path(sysconfig.get_path("scripts")) / "bun"
    try:
        _installed(runtime)
    except (OSError, subprocess.SubprocessError) as failure:
        return Scenario(f"could not be installed: {type(failure).__name__}")
    out = _KIT / "said.json"
    out.unlink(missing_ok=True)
    line = [str(runtime), "--bun", "node_modules/.bin/artillery", "run", "--quiet", "--output", str(out), str(HERE / "scenario.yml")]
    environment = {**os.environ, **given, "ARTILLERY_DISABLE_TELEMETRY": "true"}
    try:
        done = subprocess.run(  # noqa: S603 - from our own lockfile
            line, cwd=_KIT, env=environment, check=False, timeout=_RUN_S, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return Scenario(f"did not end within {_RUN_S} s", failed=1)
    if not out.is_file():
        return Scenario(f"did not run (exit code {done.returncode})", failed=1)
    return read(json.loads(out.read_text(encoding="utf-8"))["aggregate"])


def read(said: Mapping[str, Any]) -> Scenario:
    """The aggregate of Artillery's own report."""
    counters, times = said["counters"], said["summaries"].get("http.response_time", {})
    codes = {name.removeprefix("http.codes."): count for name, count in sorted(counters.items()) if name.startswith("http.codes.")}
    users = counters.get("vusers.created", 0)
    broken = sum(count for code, count in codes.items() if code.startswith("5") and code != "503")
    seconds = max((said["lastCounterAt"] - said["firstCounterAt"]) / 1000, 1.0)
    requests = counters.get("http.requests", 0)
    return Scenario(
        users=users,
        failed=users - counters.get("vusers.completed", 0) + broken,
        requests=requests,
        per_s=round(requests / seconds, 1),
        codes=codes,
        percentiles_ms={percent: times.get(f"p{percent}", 0.0) for percent in (50, 95, 99)},
    )


def _installed(runtime: Path) -> None:
    """Have the packages of the lockfile in a folder of their own; no script of a package runs. Raises OSError, SubprocessError."""
    _KIT.mkdir(parents=True, exist_ok=True)
    wanted = {name: (HERE / name).read_text(encoding="utf-8") for name in _PACKAGES}
    stamp = _KIT / "installed"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted["bun.lock"]:
        return
    shutil.rmtree(_KIT / "node_modules", ignore_errors=True)
    for name, content in wanted.items():
        (_KIT / name).write_text(content, encoding="utf-8")
    line = [str(runtime), "install", "--frozen-lockfile", "--ignore-scripts", "--silent"]
    subprocess.run(line, cwd=_KIT, check=True, timeout=_INSTALL_S)  # noqa: S603 - as above
    stamp.write_text(wanted["bun.lock"], encoding="utf-8")
