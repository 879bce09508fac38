"""What one event is about, in one line: in words for Spillway's own, by its fields for those of others. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dashboard_app.console import theme, words
from dashboard_app.console.feed import Entry
from dashboard_app.model.alert import Severity
from dashboard_app.model.pool import Level
from dashboard_app.policy.coalesce import COUNT_FIELD, ITEMS_FIELD, id_field

VALUE_CHARS = 60
_BATCH = re.compile(r"(.+)S_BATCH_([^_]+)")
_ONE_WORD_BATCH = re.compile(r"(.+)_BATCH")
_BLANKS = re.compile(r"[\x00-\x20]+")
_BAD_ENDS = ("_FAILED", "_ERROR", "_LOST")


def family(event_type: str) -> str:
    """The type of a single event, also for a batch of them: JOBS_BATCH_STARTED → JOB_STARTED."""
    if found := _BATCH.fullmatch(event_type):
        return f"{found[1]}_{found[2]}"
    return found[1] if (found := _ONE_WORD_BATCH.fullmatch(event_type)) else event_type


def sentence(event_type: str, data: Mapping[str, Any], names: Mapping[int, str]) -> str:
    """One line about an event: in words for Spillway's own, by its fields for others."""
    own = _OWN.get(event_type)
    if own is not None:
        try:
            return own(data, names)
        except (KeyError, TypeError, ValueError):
            pass  # somebody else publishes under this name: its fields speak
    key = id_field(family(event_type))
    told = {name: value for name, value in data.items() if name not in (COUNT_FIELD, ITEMS_FIELD)}
    return fields_told(told | _gathered(data.get(ITEMS_FIELD)), first=(key, f"{key}s"))


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


def tone(event_type: str, data: Mapping[str, Any]) -> str:
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


def ids_told(event_type: str, data: Mapping[str, Any]) -> str:
    """Only the ids, for who may not see the rest."""
    key = id_field(family(event_type))
    found = {name: data[name] for name in (key, f"{key}s") if key and name in data}
    return fields_told(found)


def _gathered(items: object) -> dict[str, Any]:
    """The differing fields of a batch, each with its values in order: `took_ms` 4, 9, 7."""
    gathered: dict[str, Any] = {}
    for item in items if isinstance(items, list) else ():
        for name, value in item.items() if isinstance(item, dict) else ():
            gathered.setdefault(name, []).append(value)
    return gathered


def fields_told(data: object, first: Sequence[str] = ()) -> str:
    """The fields of an object in one line."""
    if not isinstance(data, dict):
        return text_of(data, VALUE_CHARS)
    names = sorted(data, key=lambda name: name not in first)
    return " · ".join(f"{name} {text_of(data[name], VALUE_CHARS)}" for name in names)


def text_of(value: object, most: int) -> str:
    """A value in a few characters."""
    if isinstance(value, list) and all(isinstance(one, (int, float, str)) and not isinstance(one, bool) for one in value):
        return cut(", ".join(map(str, value)), most)
    return cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), most)


def cut(text: str, most: int) -> str:
    """At most so many characters, on one line."""
    line = _BLANKS.sub(" ", text[: most * 2]).strip()
    return line if len(line) <= most and len(text) <= most * 2 else f"{line[: most - 1]}…"


def data_of(entry: Entry) -> dict[str, Any]:
    """The data of a message; an empty object when it was too large to keep."""
    try:
        found = orjson.loads(entry.payload)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
