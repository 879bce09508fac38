"""schemathesis over the description that a started instance serves: every check, every operation, as an admin."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.instance import ROOT, Instance

KIT = ROOT / ".cache" / "fuzz"
CONFIG = Path(__file__).with_name("schemathesis.toml")
BESIDES = 3500
"""About what the other phases make beside the `-n` per operation; only a guess, since rounds go on until there are enough cases."""
_ROUND_LIMIT_S = 3600


@dataclass
class Found:
    """What one round came to."""

    cases: int
    operations: int
    failures: int
    errors: int
    said: str

    @property
    def is_clean(self) -> bool:
        """True when there is nothing to look at."""
        return not self.failures and not self.errors


def one_round(instance: Instance, folder: Path, seed: int, per_operation: int) -> Found:
    """One run of schemathesis with `seed`. Raises AssertionError when it did not run."""
    token = instance.token("admin")
    with instance.client("admin") as asking:
        known = asking.get("/api/v1/tokens").raise_for_status().json()["items"]
    report = folder / f"report-{seed}.json"
    environment = {
        **os.environ,
        "PYTHONPATH": f"{KIT}{os.pathsep}{ROOT}",
        "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
        "SPILLWAY_FUZZ_TOKEN_ID": str(next(one["id"] for one in known if one["name"] == "test-admin")),
    }
    line = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", f"{instance.url}/openapi.json"]
    line += ["--header", f"Authorization: Bearer {token}", "--checks", "all", "--max-examples", str(per_operation), "--seed", str(seed)]
    line += ["--continue-on-failure", "--max-failures", "1000", "--no-color", "--generation-database", "none"]
    line += ["--report", "json", "--report-json-path", str(report)]
    done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=_ROUND_LIMIT_S, check=False)
    assert report.is_file(), f"schemathesis did not run:\n{done.stdout}\n{done.stderr}"
    told = json.loads(report.read_text(encoding="utf-8"))
    cases = told["test_cases"]
    return Found(
        cases["generated"] - cases["errored"] - cases["without_checks"],
        told["operations"]["tested"],
        cases["unique_failures"],
        sum(error["count"] for error in told["errors"]),
        done.stdout + done.stderr,
    )


def run(instance: Instance, folder: Path, cases: int, seed: int) -> bool:
    """Rounds until `cases` were sent; True when none failed. What failed is printed with the call that shows it."""
    sent, is_clean = 0, True
    while sent < cases:
        operations = 96
        found = one_round(instance, folder, seed, max(2, (cases - sent - BESIDES) // operations))
        sent, seed = sent + found.cases, seed + 1
        print(f"fuzz: {sent} cases over {found.operations} operations, {found.failures} failures, {found.errors} errors", flush=True)
        if not found.is_clean:
            print(found.said, flush=True)
            is_clean = False
    return is_clean
