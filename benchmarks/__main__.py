"""Run the benchmarks: `python -m benchmarks [name …]`. Every module of this folder with a `run()` is one; none needs an entry anywhere.

A benchmark is a module `benchmarks/<name>.py` with `run() -> Table`, in a process of its own, so that no benchmark warms up another.
"""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.harness.results import LATEST, ROOT, keep
from benchmarks.harness.table import Table


def names() -> list[str]:
    """Every benchmark there is."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def main(arguments: list[str]) -> int:
    """0 when every benchmark ran; a bound that does not hold is said, and is 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What Spillway costs and wins, as tables of ratios.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones (all): {', '.join(names())}")
    parser.add_argument("--alone", choices=names(), help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.alone:
        print(json.dumps(importlib.import_module(f"benchmarks.{asked.alone}").run().to_json()))
        return 0
    unknown = set(asked.names) - set(names())
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    faults = [name for name in asked.names or names() if not _measure(name)]
    print(f"results: {LATEST.relative_to(ROOT)}, docs/benchmarks.md")
    if faults:
        print(f"failed or out of bounds: {', '.join(faults)}", file=sys.stderr)
    return 1 if faults else 0


def _measure(name: str) -> bool:
    """Run one benchmark in a process of its own, print and keep its table; True when it ran and all its claims hold."""
    print(f"measuring {name} …", file=sys.stderr, flush=True)
    done = subprocess.run(  # noqa: S603 - this very program
        [sys.executable, "-m", "benchmarks", "--alone", name], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        return False
    table = Table.of_json(json.loads(done.stdout.splitlines()[-1]))
    print(table.text(), flush=True)
    keep(name, table)
    return all(table.claims.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
