"""The last result of each benchmark: `results/latest.json`, and `docs/benchmarks.md` made from it."""

import json
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness.machine import facts
from benchmarks.harness.table import Table

ROOT = Path(__file__).resolve().parent.parent.parent
LATEST = ROOT / "benchmarks" / "results" / "latest.json"
PAGE = ROOT / "docs" / "benchmarks.md"
_HEAD = """# Benchmarks

What `make bench` measured last, from `benchmarks/results/latest.json`; made by the harness, not by hand. Alternatives are interleaved in one
run and compared round by round, so read the ratios: they travel to other machines, milliseconds do not. `make bench BENCH="guard_overhead"`
runs some of them alone and keeps the other results.

"""


def keep(name: str, table: Table) -> None:
    """Write `table` as the last result of the benchmark `name`, beside those of the others."""
    results = read()
    results[name] = {"measured_at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": facts(), "table": table.to_json()}
    LATEST.parent.mkdir(parents=True, exist_ok=True)
    LATEST.write_text(json.dumps(dict(sorted(results.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(results), encoding="utf-8")


def read() -> dict[str, dict[str, object]]:
    """Every last result by benchmark; {} when nothing was measured yet."""
    if not LATEST.is_file():
        return {}
    said: dict[str, dict[str, object]] = json.loads(LATEST.read_text(encoding="utf-8"))
    return said


def page(results: dict[str, dict[str, object]]) -> str:
    """`docs/benchmarks.md` for these results."""
    parts = [_HEAD]
    for name, result in sorted(results.items()):
        machine, table = result["machine"], result["table"]
        assert isinstance(machine, dict)
        assert isinstance(table, dict)
        on = f"{machine['cpus']} × {machine['processor']}, Python {machine['python']}, SQLAlchemy {machine['packages']['sqlalchemy']}"
        parts.append(f"{Table.of_json(table).markdown()}\n`{name}`, {str(result['measured_at'])[:10]}, on {on}.\n\n")
    return "".join(parts).rstrip("\n") + "\n"
