"""Jobs as rows, and the verdict on their updates: lost, stuck or late? Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlencode

from dashboard_app.console import words
from dashboard_app.console.rows import series
from dashboard_app.model.job import LARGEST_JOB_ID, JobStatus

PAGE_ROWS = 50
_LONGEST_TEXT = 200
_LONG_WAIT_S = 10.0
_PAYLOAD_CHARS = 300
LOOKS = {
    JobStatus.PENDING: ("Pending", "off", "circle-dashed"),
    JobStatus.PROCESSING: ("Processing", "n", "loader"),
    JobStatus.COMPLETED: ("Completed", "ok", "circle-check"),
    JobStatus.ERROR: ("Error", "bad", "octagon-x"),
    JobStatus.CANCELLED: ("Cancelled", "off", "ban"),
}
"""A job's status: word, tone, icon."""
JOB_ICONS = tuple(sorted({icon for _, _, icon in LOOKS.values()}))


@dataclass(frozen=True, slots=True)
class Query:
    """What the URL asks for. Empty words do not filter; `before` 0 is the newest page."""

    status: str = ""
    kind: str = ""
    before: int = 0

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> Self:
        """Read the query string; what it does not understand, it leaves out."""
        status, before = params.get("status", ""), params.get("before", "")
        number = int(before) if before.isascii() and before.isdigit() and len(before) < 20 else 0  # noqa: PLR2004 - ids fit 19 digits
        return cls(
            status if status in set(JobStatus) else "",
            params.get("kind", "").strip()[:_LONGEST_TEXT],
            number if 0 < number <= LARGEST_JOB_ID else 0,
        )

    def href(self, **changes: str | int) -> str:
        """The address of the list with `changes` made; any change but `before` goes back to the newest."""
        asked = replace(self, **({"before": 0} | changes))  # type: ignore[arg-type]  # the names are this class's own
        parts = {"status": asked.status, "kind": asked.kind, "before": str(asked.before) if asked.before else ""}
        query = urlencode({name: value for name, value in parts.items() if value})
        return f"/jobs?{query}" if query else "/jobs"

    def params(self) -> dict[str, str | int]:
        """The same for the API, one row more than a page to see whether there is another."""
        asked: dict[str, str | int] = {"limit": PAGE_ROWS + 1}
        asked |= {name: value for name, value in (("status", self.status), ("kind", self.kind)) if value}
        return asked | ({"before": self.before} if self.before else {})


@dataclass(frozen=True, slots=True)
class Ledger:
    """The verdict on the updates and the sum under it. `adds_up` false is an alarm."""

    title: str = "Reading jobs…"
    sums: str = ""
    adds_up: bool = True
    tone: str = "off"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure with its small words."""

    label: str
    value: str
    note: str = ""
    tone: str = "n"


@dataclass(frozen=True, slots=True)
class JobRow:
    """One job."""

    id: int
    kind: str
    word: str
    tone: str
    icon: str
    updated: str
    took: str
    error: str
    payload: str


@dataclass(frozen=True, slots=True)
class LetterRow:
    """One update that the database refused."""

    id: int
    job: str
    word: str
    reason: str
    at: str
    error: str


@dataclass(frozen=True, slots=True)
class StatusChoice:
    """One status to filter by, with how many there are; `count` empty: not known."""

    word: str
    href: str
    count: str
    is_on: bool
    icon: str = ""
    tone: str = "off"


def ledger(stats: Mapping[str, Any]) -> Ledger:
    """Does every accepted update stand somewhere?"""
    accepted = stats["accepted_total"]
    parts = (stats["written_total"], stats["superseded_total"], stats["queued"], stats["dead_letter_total"])
    missing = accepted - sum(parts)
    sums = (
        f"accepted = {words.count(parts[0])} written + {words.count(parts[1])} superseded + {words.count(parts[2])} queued"
        f" + {words.count(parts[3])} dead"
    )
    if missing:
        return Ledger(f"{words.plural(abs(missing), 'update')} {'is' if abs(missing) == 1 else 'are'} unaccounted for", sums, False, "bad")
    note, tone = _level(stats)
    if not accepted:
        return Ledger("No job update was sent since the start", sums, True, tone, note)
    return Ledger(f"All {words.plural(accepted, 'update')} are accounted for", sums, True, tone, note)


def _level(stats: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong with the way to the database, and its tone."""
    level = stats.get("level", "ok")
    if level == "journal_failed":
        return "The journal cannot be written: durable updates are refused until the disk takes them again.", "bad"
    if level == "waiting":
        return "The database does not take updates now: they wait in the journal and are written when it answers.", "warn"
    if float(stats.get("oldest_s", 0.0)) > _LONG_WAIT_S:
        return f"The oldest update has waited for {words.duration(round(float(stats['oldest_s'])))}.", "warn"
    return "", "off"


def facts(stats: Mapping[str, Any]) -> list[Fact]:
    """Queue, last batch, journal, checkouts, dead letters."""
    last = stats["last_batch"]
    saved = f"for {words.plural(stats['written_total'], 'update')}"
    return [
        Fact(
            "Queued", words.count(stats["queued"]), f"oldest {words.duration(stats.get('oldest_s'))}" if stats["queued"] else "none waits"
        ),
        Fact(
            "Last batch",
            words.count(last["size"]) if last["size"] else words.UNKNOWN,
            f"in {words.duration(last['duration_ms'] / 1000)}" if last["size"] else "none since the start",
        ),
        Fact("Journal", words.size(stats["journal_bytes"]), "on disk, not written yet" if stats["journal_bytes"] else "empty"),
        Fact("Checkouts", words.count(stats["checkouts_total"]), saved),
        Fact(
            "Fallbacks",
            words.count(stats["fallbacks_total"]),
            "written past a full queue",
            "warn" if stats["fallbacks_total"] else "n",
        ),
        Fact("Dead", words.count(stats["dead_letter_total"]), "since the start", "bad" if stats["dead_letter_total"] else "n"),
    ]


@dataclass(frozen=True, slots=True)
class JobChart:
    """One chart of the last ten minutes; `note` says why there is nothing to draw."""

    key: str = ""
    title: str = ""
    unit: str = ""
    data: series.Columns = field(default_factory=list)
    label: str = ""
    note: str = ""


NO_FACTS = [Fact(label, words.UNKNOWN, words.NB) for label in ("Queued", "Last batch", "Journal", "Checkouts", "Fallbacks", "Dead")]
"""The figures before any was read: they take the room that they will need."""
_CHARTS = (("written", "Updates written", "/s", 1), ("batches", "Largest batch", "", 2), ("duration", "Longest statement", "ms", 3))


NO_CHARTS = [JobChart(key, title, unit, [[], []], note="Reading…") for key, title, unit, _ in _CHARTS]
"""The charts before anything was read."""


def charts(past: Mapping[str, Any] | None) -> list[JobChart]:
    """Throughput, batches and their duration. None: the server keeps no past."""
    if past is None:
        return []
    drawn = []
    for key, title, unit, place in _CHARTS:
        data = series.columns([[point[0], point[place]] for point in past["points"]])
        is_quiet = not any(value for value in data[1])
        note = "Nothing was written in the last 10 minutes." if is_quiet else ""
        drawn.append(JobChart(key, title, unit, [[], []] if is_quiet else data, series.spoken(title, data, unit, "last 10 minutes"), note))
    return drawn


def job_rows(items: Sequence[Mapping[str, Any]]) -> list[JobRow]:
    """One page of jobs."""
    return [_job_row(item) for item in items[:PAGE_ROWS]]


def _job_row(item: Mapping[str, Any]) -> JobRow:
    """One job as a row."""
    word, tone, icon = look(str(item["status"]))
    created, updated = datetime.fromisoformat(item["created_at"]), datetime.fromisoformat(item["updated_at"])
    is_over = item["status"] in (JobStatus.COMPLETED, JobStatus.ERROR, JobStatus.CANCELLED)
    return JobRow(
        id=item["id"],
        kind=item["kind"],
        word=word,
        tone=tone,
        icon=icon,
        updated=words.clock(updated),
        took=words.duration((updated - created).total_seconds()) if is_over else words.UNKNOWN,
        error=item["error_message"] or "",
        payload=json.dumps(item["payload"], ensure_ascii=False)[:_PAYLOAD_CHARS],
    )


def look(status: str) -> tuple[str, str, str]:
    """Word, tone and icon of a status; one this console does not know is shown as it was sent."""
    return LOOKS[JobStatus(status)] if status in set(JobStatus) else (status, "off", "circle-dashed")


def letter_rows(items: Iterable[Mapping[str, Any]]) -> list[LetterRow]:
    """Dead letters."""
    return [
        LetterRow(
            item["id"],
            words.count(item["job_id"]),
            look(str(item["status"]))[0],
            item["reason"],
            words.clock(datetime.fromisoformat(item["at"])),
            item["error_message"] or "",
        )
        for item in items
    ]


def statuses(query: Query, counts: Mapping[str, Any] | None) -> list[StatusChoice]:
    """All, then each status with its count."""
    known: Mapping[str, int] = (counts or {}).get("by_status", {})
    is_known = counts is not None
    total = words.chip(sum(known.values())) if is_known else ""
    choices = [StatusChoice("All", query.href(status=""), total, not query.status)]
    for status, (word, tone, icon) in LOOKS.items():
        number = words.chip(known.get(status.value, 0)) if is_known else ""
        choices.append(StatusChoice(word, query.href(status=status.value), number, query.status == status.value, icon, tone))
    return choices


def older_href(query: Query, items: Sequence[Mapping[str, Any]]) -> str:
    """The address of the next older page; "" when this is the last."""
    return query.href(before=items[PAGE_ROWS - 1]["id"]) if len(items) > PAGE_ROWS else ""


def empty_words(query: Query) -> str:
    """Why nothing is shown."""
    if query.before:
        return "Nothing older."
    if query.status or query.kind:
        where = " and ".join(
            part for part in (look(query.status)[0].lower() if query.status else "", f"kind {query.kind}" if query.kind else "") if part
        )
        return f"No job is {where}." if query.status else f"No job of {where}."
    return "No jobs yet."
