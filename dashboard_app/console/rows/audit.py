"""The audit log as rows, and what its URL asks for. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self
from urllib.parse import urlencode

from dashboard_app.access.audit_chain import ChainReport, told
from dashboard_app.console import words
from dashboard_app.console.rows.series import RANGES
from dashboard_app.model.secret import MASK
from dashboard_app.store.audit import AuditRow

PAGE_ROWS = 50
_LONGEST_TEXT = 200
_ALL = "all"
_SIDES = ("before", "after")


@dataclass(frozen=True, slots=True)
class Detail:
    """One named part of a row's details."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One field before and after an act; a dash where it had no value."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One act. `tone` is off when it worked."""

    key: str
    at: str
    actor: str
    action: str
    target: str
    result: str
    tone: str
    icon: str
    request_id: str
    is_waiting: bool
    details: list[Detail]
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RangeChoice:
    """One choice of the range, with its address."""

    word: str
    href: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class Query:
    """What the URL asks for. Empty words do not filter; `before` 0 is the newest page."""

    actor: str = ""
    action: str = ""
    range: str = _ALL
    before: int = 0

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> Self:
        """Read the query string; what it does not understand, it leaves out."""
        key, before = params.get("range", _ALL), params.get("before", "")
        return cls(
            actor=params.get("actor", "").strip()[:_LONGEST_TEXT],
            action=params.get("action", "").strip()[:_LONGEST_TEXT],
            range=key if key in {one.key for one in RANGES} else _ALL,
            before=int(before) if before.isascii() and before.isdigit() and len(before) < 16 else 0,  # noqa: PLR2004 - ids fit 15 digits
        )

    def href(self, **changes: str | int) -> str:
        """The address of the log with `changes` made; any change but `before` goes back to the newest rows."""
        asked = replace(self, **({"before": 0} | changes))  # type: ignore[arg-type]  # the names are this class's own
        parts = {"actor": asked.actor, "action": asked.action, "range": "" if asked.range == _ALL else asked.range}
        query = urlencode({name: value for name, value in parts.items() if value} | ({"before": asked.before} if asked.before else {}))
        return f"/audit?{query}" if query else "/audit"

    def since(self, now: datetime) -> datetime | None:
        """The oldest moment that is shown; None: all of it."""
        seconds = next((one.seconds for one in RANGES if one.key == self.range), None)
        return now - timedelta(seconds=seconds) if seconds else None

    def export_href(self, now: datetime) -> str:
        """The address of the same rows as a file, from this instance."""
        since = self.since(now)
        parts = {"actor": self.actor, "action": self.action, "from": since.strftime("%Y-%m-%dT%H:%M:%SZ") if since else ""}
        query = urlencode({name: value for name, value in parts.items() if value})
        return f"/api/v1/audit.csv?{query}" if query else "/api/v1/audit.csv"

    @property
    def is_filtered(self) -> bool:
        """True when anything is left out."""
        return bool(self.actor or self.action or self.range != _ALL)


def ranges(query: Query) -> list[RangeChoice]:
    """The ranges to choose from; the last is all of it."""
    choices = [RangeChoice(one.word, query.href(range=one.key), query.range == one.key) for one in RANGES[1:]]
    return [*choices, RangeChoice("All", query.href(range=_ALL), query.range == _ALL)]


def lines(entries: Sequence[AuditRow]) -> list[AuditLine]:
    """The rows of one page, newest first."""
    return [_line(entry, place) for place, entry in enumerate(entries[:PAGE_ROWS])]


def _line(entry: AuditRow, place: int) -> AuditLine:
    """One act as a row."""
    worked = entry.result == "ok"
    return AuditLine(
        key=str(entry.id) if entry.id is not None else f"journal-{place}",
        at=words.clock(entry.at),
        actor=entry.actor,
        action=entry.action,
        target=entry.target or words.UNKNOWN,
        result="Done" if worked else entry.result.replace("_", " "),
        tone="off" if worked else "warn",
        icon="circle-check" if worked else "triangle-alert",
        request_id=entry.request_id,
        is_waiting=entry.id is None,
        details=[Detail(name.replace("_", " "), _told(value)) for name, value in entry.details.items() if name not in _SIDES],
        differences=_differences(entry.details),
    )


def _differences(details: Mapping[str, object]) -> list[Difference]:
    """The fields of `before` and `after`, each with both values; one of a secret only ever says that it changed."""
    before, after = (side if isinstance(side := details.get(name), Mapping) else {} for name in _SIDES)
    names = [*before, *(name for name in after if name not in before)]
    return [Difference(name.replace("_", " "), _side(before, name), _side(after, name)) for name in names]


def _side(values: Mapping[str, object], name: str) -> str:
    """The value of one field on one side."""
    if name not in values:
        return words.UNKNOWN
    value = values[name]
    return "changed" if value == MASK else _told(value)


def _told(value: object) -> str:
    """A detail's value as text, at most 500 characters."""
    if value == MASK:
        return "changed"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_told(part)}" for name, part in value.items())[:500]
    if isinstance(value, list | tuple):
        return ", ".join(_told(part) for part in value)[:500]
    return words.UNKNOWN if value is None or value == "" else str(value)[:500]


def older_href(query: Query, entries: Sequence[AuditRow]) -> str:
    """The address of the next older page; "" when this is the last."""
    known = [entry.id for entry in entries[:PAGE_ROWS] if entry.id is not None]
    return query.href(before=min(known)) if len(entries) > PAGE_ROWS and known else ""


@dataclass(frozen=True, slots=True)
class Chain:
    """What a walk along the log's chain of hashes found. `text` "": nobody has asked yet."""

    text: str = ""
    tone: str = "off"
    icon: str = ""
    head: str = ""


def chain(report: ChainReport) -> Chain:
    """The result of a walk, as a sentence; `head` is what a careful person keeps elsewhere."""
    if not report.is_whole:
        return Chain(f"The log is not as it was written. {report.problem}", "bad", "octagon-x")
    counted = "1 row is" if report.rows == 1 else f"{words.count(report.rows)} rows are"
    return Chain(f"The newest {counted} as written; none is missing.", "ok", "shield-check", told(report.head) if report.head.id else "")


def empty_words(query: Query) -> str:
    """Why nothing is shown."""
    if query.before:
        return "Nothing older is recorded."
    return (
        "Nothing recorded in this range."
        if query.is_filtered
        else "Nothing is recorded yet. Every change and every action of an operator gets a row."
    )
