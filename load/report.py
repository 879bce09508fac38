"""What a load test came to, as one page: percentiles, refusals by code, failures, the pool's peak."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.harness.table import cell_text
from load.ab import Measured
from load.scenario import Scenario


def refusals(statuses: Mapping[str, int]) -> dict[str, int]:
    """Answers 429 and 503, by status and the code of their problem document."""
    return {code: count for code, count in sorted(statuses.items()) if code.startswith(("429", "503"))}


def pool_peak(history: Mapping[str, Any], since_ms: float, capacity: int) -> tuple[int, int]:
    """The most connections in use and the most waiters since `since_ms`, by the guard's own history."""
    points = [(percent, waiting) for at, percent, waiting in history["points"] if at >= since_ms]
    if not points:
        return 0, 0
    return round(max(percent for percent, _ in points) * capacity / 100), max(waiting for _, waiting in points)


def page(
    facts: Mapping[str, str], locust: Mapping[str, Any], ab: Mapping[str, Measured], peak: tuple[int, int, int], artillery: Scenario
) -> str:
    """The report. `peak`: connections in use, waiters, capacity."""
    rows = [
        [row["name"], row["requests"], row["failed"], row["per_s"], row["p50_ms"], row["p95_ms"], row["p99_ms"], row["max_ms"]]
        for row in locust["rows"]
    ]
    bars = [
        [url, one.requests, one.failed, one.refused, one.per_s, *(one.percentiles_ms.get(each, 0.0) for each in (50, 95, 99))]
        for url, one in ab.items()
    ]
    refused = refusals(locust["statuses"])
    failed = sum(row["failed"] for row in locust["rows"])
    used, waited, capacity = peak
    return "\n".join(
        [
            "# Load test",
            "",
            *(f"* {name}: {value}" for name, value in facts.items()),
            f"* failures: {failed}",
            f"* refusals: {', '.join(f'{count} × {code}' for code, count in refused.items()) or 'none'}",
            f"* pool peak: {used} of {capacity} connections in use, {waited} waiting",
            f"* messages over WebSockets: {', '.join(f'{count} {name}' for name, count in locust['messages'].items()) or 'none'}",
            *(f"* note: {sentence}" for sentence in locust.get("told", ())),
            "",
            "## Users (Locust)",
            "",
            *_table(("call", "requests", "failed", "a second", "p50 ms", "p95 ms", "p99 ms", "slowest ms"), rows),
            *(["", "| failure | times |", "| --- | ---: |"] if locust["errors"] else []),
            *(f"| {each['name']}: {each['error']} | {each['times']} |" for each in locust["errors"]),
            "",
            f"## One call, hard ({next(iter(ab.values())).client if ab else 'ab'})",
            "",
            *_table(("call", "requests", "failed", "not 2xx", "a second", "p50 ms", "p95 ms", "p99 ms"), bars),
            "",
            "## The scenario (Artillery)",
            "",
            *_scenario(artillery),
            "",
        ]
    )


def _scenario(found: Scenario) -> list[str]:
    """What Artillery counted, or why it did not."""
    if found.note:
        return [f"It {found.note}."]
    codes = ", ".join(f"{count} × {code}" for code, count in found.codes.items())
    row = [found.users, found.failed, found.requests, codes, found.per_s, *(found.percentiles_ms.get(each, 0.0) for each in (50, 95, 99))]
    return _table(("users", "failed", "requests", "answers", "a second", "p50 ms", "p95 ms", "p99 ms"), [row])


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table in Markdown."""
    return [
        "| " + " | ".join(columns) + " |",
        "| --- |" + " ---: |" * (len(columns) - 1),
        *("| " + " | ".join(cell_text(cell) for cell in row) + " |" for row in rows),
    ]
