"""The table of a run, for a terminal and for docs/reliability.md. A row that was not run again stays as it was."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness.table import Table, cell_text
from tests.faults.matrix.row import Row

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reliability.md"
BEGIN, END = "<!-- rows: written by python -m tests.faults --write -->", "<!-- end of rows -->"
COLUMNS = ("fault", "what", "n", "lost", "twice", "longest wait s", "recovery s", "verdict", "took s", "remarks")
_NAME = re.compile(r"\| (\w[\w-]*) \|")


def table(rows: list[Row], rounds: int) -> Table:
    """The rows as a table."""
    note = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {rounds} rounds"
    return Table("Fault matrix", COLUMNS, [cells(row) for row in rows], note)


def cells(row: Row) -> list[str | float]:
    """One line of it."""
    figures: list[str | float] = [row.n, row.lost, row.duplicated, round(row.longest_wait_s, 2), round(row.recover_s, 2)]
    return [row.fault, row.title, *figures, row.verdict, round(row.took_s), row.note]


def write(rows: list[Row], rounds: int, page: Path = PAGE) -> None:
    """Put the rows between the marks of the page, each in the place of the one of its name."""
    text = page.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    kept, tail = rest.split(END)
    lines = {found[1]: line for line in kept.splitlines() if (found := _NAME.match(line)) and found[1] != COLUMNS[0]}
    when = f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {rounds} ×"
    for row in rows:
        shown = [cell_text(cell).replace("|", "\\|") for cell in cells(row)]
        lines[row.fault] = f"| {' | '.join(shown)} | {when} |"
    titles = (*COLUMNS, "run")
    heading = [f"| {' | '.join(titles)} |", f"| --- | --- |{' ---: |' * 5} --- | ---: | --- | --- |"]
    order = sorted(lines, key=lambda name: (not re.fullmatch(r"F\d\d", name), name))
    page.write_text("\n".join([head + BEGIN, "", *heading, *(lines[name] for name in order), "", END + tail]), encoding="utf-8")
