"""`python -m tests.faults [name …]`; `make faults`. Without names every row of the matrix, F1 to F26. Exit code 1 when a promise was broken.

Names: `matrix`, `f01` … `f26`, `claims` and each of its parts, `jobs` and each of its parts.
"""

import argparse
import logging
import sys
import time

from benchmarks.harness.table import Table
from tests.faults.jobs.matrix import MATRIX
from tests.faults.matrix import report
from tests.faults.matrix.row import Row, merged
from tests.faults.matrix.rows import CLAIMS, ROWS, run
from tests.faults.matrix.stand import stand

GROUPS = {"matrix": tuple(ROWS), "claims": tuple(CLAIMS), "jobs": tuple(MATRIX)}
COLUMNS = ("fault", "runs", "acknowledged", "refused", "lost", "backwards", "failed", "worst", "notes")


def main(arguments: list[str]) -> int:
    """0 when nothing was lost and every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    known = (*GROUPS, *ROWS, *CLAIMS, *MATRIX)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which ones (matrix): {', '.join(known)}")
    parser.add_argument("--share", type=float, default=1.0, help="this share of the full counts")
    parser.add_argument("--rounds", type=int, default=1, help="each row of the matrix so many times")
    parser.add_argument("--write", action="store_true", help="put the rows into docs/reliability.md")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.names) - set(known):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    logging.getLogger("sqlalchemy").setLevel(logging.CRITICAL)  # that connections break is what is done here
    names = [name for given in asked.names or ["matrix"] for name in GROUPS.get(given, (given,))]
    rows = _rows([name for name in names if name not in MATRIX], asked.share, asked.rounds)
    if rows:
        print(report.table(rows, asked.rounds).text())
        if asked.write:
            report.write(rows, asked.rounds)
    are_well = [row.ok for row in rows]
    jobs = [name for name in names if name in MATRIX]
    if jobs:
        are_well += _jobs(jobs, asked.share)
    return 0 if all(are_well) else 1


def _rows(names: list[str], share: float, rounds: int) -> list[Row]:
    """Each row, its rounds one after the other; a line of JSON for each."""
    if not names:
        return []
    found = []
    with stand(share) as place:
        for name in names:
            runs = []
            for _ in range(rounds):
                runs.append(run(place, name))
                print(runs[-1].json_line(), flush=True)
            found.append(merged(runs))
    return found


def _jobs(names: list[str], share: float) -> list[bool]:
    """Faults of job updates at their full counts."""
    outcomes = []
    for name in names:
        work, count = MATRIX[name]
        began = time.monotonic()
        outcomes.append(work(max(1, round(count * share))))
        print(f"{name}: {outcomes[-1].row()} in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(Table("Faults", COLUMNS, [outcome.row() for outcome in outcomes]).text())
    return [outcome.is_well for outcome in outcomes]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
