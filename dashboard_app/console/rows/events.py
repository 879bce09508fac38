"""Events as rows: when, which type, what about in one line; the figures above them; what an opened row shows. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlencode

from dashboard_app.console import words
from dashboard_app.console.feed import Entry
from dashboard_app.console.rows.event_words import VALUE_CHARS, cut, data_of, family, fields_told, ids_told, sentence, text_of, tone
from dashboard_app.console.rows.jobs import Fact
from dashboard_app.model.event import RESET
from dashboard_app.model.feed import FeedState
from dashboard_app.policy.coalesce import COUNT_FIELD, ITEMS_FIELD, id_field

FIRST_ROWS = 200
"""Rows that a page begins with."""
ROWS_AT_ONCE = 100
"""Rows that one push brings, at most."""
QUIET_S = 60.0
TYPES_OFFERED = 60
_ITEMS_SHOWN = 100
_SUMMARY_CHARS = 200
_WHOLE_CHARS = 2000
_LONGEST_TEXT = 100


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line. `seq` grows with each message; `at` in seconds since 1970; `kind`: event, gap, or skipped (too fast to be shown)."""

    seq: int
    at: int
    type: str
    text: str
    tone: str = "n"
    count: int = 1
    kind: str = "event"


@dataclass(frozen=True, slots=True)
class Tail:
    """What came since the last push, newest first; `missed` more came than are shown."""

    seq: int = 0
    rows: list[EventRow] = field(default_factory=list)
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One field of an opened event, or one event of an opened batch."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Detail:
    """An opened row: the fields, the single events of a batch, and what is left out. `seq` 0: nothing is open."""

    seq: int = 0
    id: str = ""
    fields: list[Part] = field(default_factory=list)
    items: list[Part] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True, slots=True)
class TypeChoice:
    """One type to filter by."""

    word: str
    href: str
    is_on: bool


@dataclass(frozen=True, slots=True)
class Query:
    """What the URL asks for; empty words do not filter."""

    type: str = ""
    search: str = ""

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> Self:
        """Read the query string."""
        return cls(params.get("type", "").strip()[:_LONGEST_TEXT], params.get("q", "").strip()[:_LONGEST_TEXT])

    def href(self, **changes: str) -> str:
        """The address with `changes` made."""
        asked = replace(self, **changes)
        query = urlencode({name: value for name, value in (("type", asked.type), ("q", asked.search)) if value})
        return f"/events?{query}" if query else "/events"


def matches(entry: Entry, query: Query, *, sees_payload: bool) -> bool:
    """True when the page that asks for this shows the entry. Gaps are always shown. Ids are searched by everybody, the rest by who sees it."""
    if entry.is_gap:
        return True
    if query.type and query.type not in (entry.type, family(entry.type)):
        return False
    if not query.search:
        return True
    wanted = query.search.casefold()
    told = entry.payload.decode("utf-8", "replace") if sees_payload else ids_told(entry.type, data_of(entry))
    return wanted in entry.type.casefold() or wanted in str(entry.id) or wanted in told.casefold()


def row(entry: Entry, names: Mapping[int, str], *, sees_payload: bool) -> EventRow:
    """One message as a line. `names` are those of the sources by id."""
    at = int(entry.at.timestamp())
    if entry.is_gap:
        text = f"Gap here: events before {words.clock(entry.at)} are no longer kept"
        return EventRow(entry.seq, at, RESET, text, "warn", kind="gap")
    data = data_of(entry)
    count = data.get(COUNT_FIELD) if family(entry.type) != entry.type else 1
    text = sentence(entry.type, data, names) if sees_payload else ids_told(entry.type, data)
    return EventRow(
        entry.seq, at, entry.type, cut(text, _SUMMARY_CHARS), tone(entry.type, data), count if isinstance(count, int) and count > 0 else 1
    )


def skipped(seq: int, at: int, missed: int) -> EventRow:
    """The line for what came too fast."""
    return EventRow(seq, at, "", f"{words.plural(missed, 'more message')} came too fast to be shown", "off", missed, "skipped")


def first_rows(entries: Iterable[Entry], query: Query, names: Mapping[int, str], *, sees_payload: bool) -> list[EventRow]:
    """The rows a page begins with, newest first."""
    found = [one for one in entries if matches(one, query, sees_payload=sees_payload)][-FIRST_ROWS:]
    return [row(one, names, sees_payload=sees_payload) for one in reversed(found)]


def tail_of(entries: Iterable[Entry], query: Query, seen: int, names: Mapping[int, str], *, sees_payload: bool) -> Tail:
    """What came after `seen`, without its place among the pushes."""
    fresh = [one for one in entries if one.seq > seen]
    gone = fresh[0].seq - seen - 1 if fresh else 0
    found = [one for one in fresh if matches(one, query, sees_payload=sees_payload)]
    shown, missed = found[-ROWS_AT_ONCE:], max(len(found) - ROWS_AT_ONCE, 0) + gone
    rows = [row(one, names, sees_payload=sees_payload) for one in reversed(shown)]
    if missed:
        first = shown[0] if shown else fresh[0]
        rows.append(skipped(first.seq - 1, int(first.at.timestamp()), missed))
    return Tail(0, rows, max(missed - 1, 0))


def detail(entry: Entry) -> Detail:
    """What an opened row shows."""
    data = data_of(entry)
    if not data:
        note = "Its data was too large to be kept here." if not entry.payload else "It has no data."
        return Detail(entry.seq, str(entry.id), note=note)
    key = f"{id_field(family(entry.type))}s"
    is_batch = family(entry.type) != entry.type and isinstance(data.get(COUNT_FIELD), int)
    items = _items(data, key) if is_batch else []
    hidden = {key, ITEMS_FIELD} if items else set()
    fields = [Part(name, text_of(value, _WHOLE_CHARS)) for name, value in data.items() if name not in hidden]
    left = len(items) - _ITEMS_SHOWN
    return Detail(entry.seq, str(entry.id), fields, items[:_ITEMS_SHOWN], f"and {words.count(left)} more" if left > 0 else "")


def _items(data: Mapping[str, Any], key: str) -> list[Part]:
    """The single events of a batch, by their ids where they have some."""
    ids = data.get(key) if isinstance(data.get(key), list) else None
    own = data.get(ITEMS_FIELD) if isinstance(data.get(ITEMS_FIELD), list) else None
    if ids is None and own is None:
        return []
    size = max(len(ids or ()), len(own or ()))
    return [
        Part(
            text_of(ids[place], VALUE_CHARS) if ids is not None and place < len(ids) else str(place + 1),
            fields_told(own[place]) if own is not None and place < len(own) else "",
        )
        for place in range(size)
    ]


def facts(stats: Mapping[str, Any]) -> list[Fact]:
    """Published, batched, saved, lost, subscribers."""
    saved, published = stats["batcher_events_saved"], stats["published_total"]
    lost, waiting = stats["batcher_events_lost"], stats.get("waiting", 0)
    return [
        Fact("Published", words.count(published), f"{words.count(waiting)} waiting to go out" if waiting else "since the server's start"),
        Fact("Batched", words.count(stats["batcher_events_batched"]), f"in {words.plural(stats['batcher_batches_created'], 'message')}"),
        Fact(
            "Saved by batching",
            words.count(saved),
            f"{words.percent(100 * saved / published)} of the messages" if published else "none yet",
        ),
        Fact("Lost", words.count(lost), "refused, or not kept" if lost else "none", "bad" if lost else "n"),
        Fact("Subscribers", words.count(stats["subscribers"]), "beside this console"),
    ]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The title and the line under it."""

    title: str = "Events"
    lede: str = ""
    tone: str = "off"


def verdict(stats: Mapping[str, Any] | None, state: FeedState, newest_at: datetime | None, now: datetime) -> Verdict:
    """Does the stream flow?"""
    lost = (stats or {}).get("batcher_events_lost", 0)
    is_failing = (stats or {}).get("history") == "failing"
    lede = "The history cannot be written now: events stay in memory and are kept when the database answers." if is_failing else ""
    if state is FeedState.POLLING:
        return Verdict(
            "No events come here", "The live feed's breaker is open, or the server has no feed. What comes later is not lost.", "warn"
        )
    if state is FeedState.RECONNECTING:
        return Verdict("The live feed is away", "It is tried again; what was missed comes when it is back.", "warn")
    if lost:
        return Verdict(
            f"{words.plural(lost, 'event was', 'events were')} lost",
            lede or "They were refused because too many waited, or left memory before they could be kept.",
            "bad",
        )
    if newest_at is None:
        return Verdict("No event yet", lede, "warn" if is_failing else "off")
    if (now - newest_at).total_seconds() < QUIET_S:
        return Verdict("Events flow", lede, "warn" if is_failing else "off")
    return Verdict(f"Quiet since {words.clock(newest_at)}", lede, "warn" if is_failing else "off")


def type_choices(query: Query, types: Iterable[str]) -> list[TypeChoice]:
    """Any, then each type that has come, batches with their single events."""
    known = sorted({family(one) for one in types} | ({query.type} if query.type else set()))[:TYPES_OFFERED]
    return [TypeChoice("any", query.href(type=""), not query.type)] + [
        TypeChoice(one, query.href(type=one), query.type == one) for one in known
    ]


def empty_words(query: Query, newest_at: datetime | None) -> str:
    """Why nothing is shown."""
    if query.type or query.search:
        parts = [f"type {query.type}"] if query.type else []
        parts += [f"'{query.search}'"] if query.search else []
        return f"No event of {' with '.join(parts)} has come since." if query.type else f"No event with {parts[0]} has come since."
    return "Quiet. No event yet." if newest_at is None else f"Quiet. Last event {words.clock(newest_at)}."
