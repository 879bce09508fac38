"""Events as rows: when, which type, what about in one line; the figures above them; what an opened row shows. Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlencode

import orjson

from dashboard_app.console import theme, words
from dashboard_app.console.feed import Entry
from dashboard_app.console.rows.jobs import Fact
from dashboard_app.model.alert import Severity
from dashboard_app.model.event import RESET
from dashboard_app.model.feed import FeedState
from dashboard_app.model.pool import Level
from dashboard_app.policy.coalesce import COUNT_FIELD, ITEMS_FIELD, id_field

FIRST_ROWS = 200
"""Rows that a page begins with."""
ROWS_AT_ONCE = 100
"""Rows that one push brings, at most."""
QUIET_S = 60.0
TYPES_OFFERED = 60
_ITEMS_SHOWN = 100
_SUMMARY_CHARS = 200
_VALUE_CHARS = 60
_WHOLE_CHARS = 2000
_LONGEST_TEXT = 100
_BATCH = re.compile(r"(.+)S_BATCH_([^_]+)")
_ONE_WORD_BATCH = re.compile(r"(.+)_BATCH")
_BAD_ENDS = ("_FAILED", "_ERROR", "_LOST")


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


def family(event_type: str) -> str:
    """The type of a single event, also for a batch of them: JOBS_BATCH_STARTED → JOB_STARTED."""
    if found := _BATCH.fullmatch(event_type):
        return f"{found[1]}_{found[2]}"
    return found[1] if (found := _ONE_WORD_BATCH.fullmatch(event_type)) else event_type


def matches(entry: Entry, query: Query, *, sees_payload: bool) -> bool:
    """True when the page that asks for this shows the entry. Gaps are always shown. Ids are searched by everybody, the rest by who sees it."""
    if entry.is_gap:
        return True
    if query.type and query.type not in (entry.type, family(entry.type)):
        return False
    if not query.search:
        return True
    wanted = query.search.casefold()
    told = entry.payload.decode("utf-8", "replace") if sees_payload else _ids_told(entry.type, _data(entry))
    return wanted in entry.type.casefold() or wanted in str(entry.id) or wanted in told.casefold()


def row(entry: Entry, names: Mapping[int, str], *, sees_payload: bool) -> EventRow:
    """One message as a line. `names` are those of the sources by id."""
    at = int(entry.at.timestamp())
    if entry.is_gap:
        text = f"Gap here: events before {words.clock(entry.at)} are no longer kept"
        return EventRow(entry.seq, at, RESET, text, "warn", kind="gap")
    data = _data(entry)
    count = data.get(COUNT_FIELD) if family(entry.type) != entry.type else 1
    text = _sentence(entry.type, data, names) if sees_payload else _ids_told(entry.type, data)
    return EventRow(
        entry.seq, at, entry.type, _cut(text, _SUMMARY_CHARS), _tone(entry.type, data), count if isinstance(count, int) and count > 0 else 1
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
    data = _data(entry)
    if not data:
        note = "Its data was too large to be kept here." if not entry.payload else "It has no data."
        return Detail(entry.seq, str(entry.id), note=note)
    key = f"{id_field(family(entry.type))}s"
    is_batch = family(entry.type) != entry.type and isinstance(data.get(COUNT_FIELD), int)
    items = _items(data, key) if is_batch else []
    hidden = {key, ITEMS_FIELD} if items else set()
    fields = [Part(name, _text(value, _WHOLE_CHARS)) for name, value in data.items() if name not in hidden]
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
            _text(ids[place], _VALUE_CHARS) if ids is not None and place < len(ids) else str(place + 1),
            _fields_told(own[place]) if own is not None and place < len(own) else "",
        )
        for place in range(size)
    ]


def facts(stats: Mapping[str, Any]) -> list[Fact]:
    """Published, batched, saved, lost, subscribers."""
    saved, published = stats["batcher_events_saved"], stats["published_total"]
    lost, waiting = stats["batcher_events_lost"], stats.get("waiting", 0)
    return [
        Fact("Published", words.count(published), f"{words.count(waiting)} wait to go out" if waiting else "since the server's start"),
        Fact("Batched", words.count(stats["batcher_events_batched"]), f"in {words.plural(stats['batcher_batches_created'], 'message')}"),
        Fact(
            "Saved by batching",
            words.count(saved),
            f"{words.percent(100 * saved / published)} of the messages" if published else "none yet",
        ),
        Fact("Lost", words.count(lost), "too many waited" if lost else "none", "bad" if lost else "n"),
        Fact("Subscribers", words.count(stats["subscribers"]), "read the stream now"),
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
            lede or "More waited than may wait; their publishers were told.",
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


# ---- words of one event


def _sentence(event_type: str, data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    """One line about an event: in words for Spillway's own, by its fields for others."""
    told = _OWN.get(event_type)
    if told is not None:
        try:
            return told(data, names)
        except (KeyError, TypeError, ValueError):
            pass  # somebody else publishes under this name: its fields speak
    return _fields_told(data, first=f"{id_field(family(event_type))}s", without=(COUNT_FIELD, ITEMS_FIELD))


def _level(data: Mapping[str, Any], _names: Mapping[int, str]) -> str:
    return f"{data['previous']} → {data['level']} at {words.percent(float(data['usage_percent']), 1)}"


def _alert(data: Mapping[str, Any], _names: Mapping[int, str]) -> str:
    return f"{data['severity']}: {data['message']}"


def _breaker(data: Mapping[str, Any], _names: Mapping[int, str]) -> str:
    cause = str(data.get("cause") or "").replace("_", " ")
    return f"{data['name']}: {data['from']} → {data['to']}" + (f" ({cause})" if cause else "")


def _source(data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    return f"{names.get(data['source_id'], 'source ' + str(data['source_id']))}: {data.get('previous') or 'unknown'} → {data['status']}"


def _round(data: Mapping[str, Any], _names: Mapping[int, str]) -> str:
    return f"{data['lane']}: {data['done']} done, {data['failed']} failed in {words.duration(float(data['duration_s']))}"


_OWN = {
    "LEVEL_CHANGED": _level,
    "ALERT_OPENED": _alert,
    "ALERT_RESOLVED": _alert,
    "BREAKER_CHANGED": _breaker,
    "SOURCE_CHANGED": _source,
    "ROUND_FINISHED": _round,
}
"""What Spillway itself publishes → its words."""


def _tone(event_type: str, data: Mapping[str, Any]) -> str:
    """The colour of a type's badge: only what needs a person has one."""
    single = family(event_type)
    if single == "ALERT_OPENED" and data.get("severity") in set(Severity):
        return theme.SEVERITY[Severity(data["severity"])].tone
    if single == "LEVEL_CHANGED" and data.get("level") in set(Level):
        return theme.LEVEL[Level(data["level"])].tone
    if single == "BREAKER_CHANGED":
        return "bad" if data.get("to") == "open" else "n"
    if single == "SOURCE_CHANGED":
        return {"unhealthy": "bad", "degraded": "warn"}.get(str(data.get("status")), "n")
    return "bad" if single.endswith(_BAD_ENDS) else "n"


def _ids_told(event_type: str, data: Mapping[str, Any]) -> str:
    """Only the ids, for who may not see the rest."""
    key = id_field(family(event_type))
    found = {name: data[name] for name in (key, f"{key}s") if key and name in data}
    return _fields_told(found)


def _fields_told(data: object, first: str = "", without: Sequence[str] = ()) -> str:
    """The fields of an object in one line."""
    if not isinstance(data, dict):
        return _text(data, _VALUE_CHARS)
    names = sorted((name for name in data if name not in without), key=lambda name: name != first)
    return " · ".join(f"{name} {_text(data[name], _VALUE_CHARS)}" for name in names)


def _text(value: object, most: int) -> str:
    """A value in a few characters."""
    if isinstance(value, list) and all(isinstance(one, (int, str)) and not isinstance(one, bool) for one in value):
        return _cut(", ".join(map(str, value)), most)
    return _cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), most)


def _cut(text: str, most: int) -> str:
    """At most so many characters, on one line."""
    line = " ".join(text[: most * 2].split())
    return line if len(line) <= most and len(text) <= most * 2 else f"{line[: most - 1]}…"


def _data(entry: Entry) -> dict[str, Any]:
    """The data of a message; an empty object when it was too large to keep."""
    try:
        found = orjson.loads(entry.payload)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
