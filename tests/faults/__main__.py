"""Run fault matrices at full counts: `python -m tests.faults [name …] [--share 0.1]`; `make faults`. Exit code 1 when something was lost."""

import argparse
import sys
import time

from benchmarks.harness.table import Table
from tests.faults.jobs.matrix import MATRIX

COLUMNS = ("fault", "runs", "acknowledged", "refused", "lost", "backwards", "failed", "worst", "notes")


def main(arguments: list[str]) -> int:
    """0 when nothing was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Faults at full counts, one row each.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones (all): {', '.join(MATRIX)}")
    parser.add_argument("--share", type=float, default=1.0, help="this share of the full counts")
    asked = parser.parse_args(arguments)
    unknown = set(asked.names) - set(MATRIX)
    if unknown:
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    outcomes = []
    for name in asked.names or MATRIX:
        run, count = MATRIX[name]
        began = time.monotonic()
        outcomes.append(run(max(1, round(count * asked.share))))
        print(f"{name}: {outcomes[-1].row()} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(Table("Faults", COLUMNS, [outcome.row() for outcome in outcomes]).text())
    return 0 if all(outcome.is_well for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
