"""Events of one type in one batch become one: no data is dropped, the order is kept.

The contract's general rule: `<NOUN>_<VERB>` becomes `<NOUN>S_BATCH_<VERB>` (split at the last `_`), the field `<noun>_id` becomes `<noun>_ids`
in the order of arrival, fields that are equal in all stay, fields that differ travel in `items`, one object per event in order. A type of one
word becomes `<TYPE>_BATCH`; data without an id field goes whole into `items`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dashboard_app.model.event import RESET, STATISTICS, Shape

COUNT_FIELD = "batch_count"
ITEMS_FIELD = "items"
SHAPES: Mapping[str, Shape] = {
    "ALERT_OPENED": Shape.ALONE,
    "ALERT_RESOLVED": Shape.ALONE,
    "BREAKER_CHANGED": Shape.ALONE,
    "LEVEL_CHANGED": Shape.ALONE,
    STATISTICS: Shape.ALONE,
    RESET: Shape.ALONE,
}
"""How Spillway's own types that need another shape are combined; every other type goes by the general rule."""


def batch_type(origin: str) -> str:
    """The type of several events of type `origin` in one."""
    noun, _, verb = origin.rpartition("_")
    return f"{noun}S_BATCH_{verb}" if noun and verb else f"{origin}_BATCH"


def id_field(origin: str) -> str:
    """The field that names what an event of type `origin` is about, "" for a type of one word: `JOB_STARTED` → `job_id`."""
    noun, _, verb = origin.rpartition("_")
    return f"{noun.lower()}_id" if noun and verb else ""


def combined(origin: str, data: Sequence[Mapping[str, Any]], shape: Shape = Shape.GENERAL) -> dict[str, Any]:
    """The data of one message for these events of one type, at least two, in the order of their arrival."""
    if shape is Shape.COUNT:
        return {COUNT_FIELD: len(data)}
    key = id_field(origin)
    has_ids = bool(key) and all(key in one for one in data)
    if shape is Shape.LATEST and has_ids:
        latest = {_frozen(one[key]): one for one in data}
        return {f"{key}s": [one[key] for one in latest.values()], COUNT_FIELD: len(data), ITEMS_FIELD: _without(key, latest.values())}
    if not has_ids:
        return {COUNT_FIELD: len(data), ITEMS_FIELD: [dict(one) for one in data]}
    taken = {f"{key}s", COUNT_FIELD, ITEMS_FIELD}
    equal = {name: value for name, value in data[0].items() if name not in taken and name != key and _is_equal_in_all(name, value, data)}
    items = [{name: value for name, value in one.items() if name not in equal and name != key} for one in data]
    whole: dict[str, Any] = {f"{key}s": [one[key] for one in data], COUNT_FIELD: len(data), **equal}
    return whole | {ITEMS_FIELD: items} if any(items) else whole


def parted(origin: str, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The events that `combined` made one message of, by the general rule; what it could not have made gives none."""
    key, count, items = id_field(origin), data.get(COUNT_FIELD), data.get(ITEMS_FIELD)
    ids = data.get(f"{key}s") if key else None
    if ids is None:
        return [dict(one) for one in items if isinstance(one, dict)] if isinstance(items, list) else []
    if not isinstance(ids, list) or count != len(ids):
        return []
    equal = {name: value for name, value in data.items() if name not in (f"{key}s", COUNT_FIELD, ITEMS_FIELD)}
    rest = items if isinstance(items, list) and len(items) == len(ids) else [{}] * len(ids)
    return [{key: one, **equal, **(own if isinstance(own, dict) else {})} for one, own in zip(ids, rest, strict=True)]


def _without(key: str, data: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each of `data` without its field `key`."""
    return [{name: value for name, value in one.items() if name != key} for one in data]


def _is_equal_in_all(name: str, value: object, data: Sequence[Mapping[str, Any]]) -> bool:
    """True when the field has the same JSON value in all."""
    return all(name in one and same(one[name], value) for one in data)


def same(one: Any, other: Any) -> bool:
    """True when both are the same JSON value: 1, 1.0 and true are three."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _frozen(value: object) -> object:
    """An id as a key: its type counts, and one that is no plain value is its text."""
    return type(value).__name__, value if isinstance(value, (str, int, float, type(None))) else repr(value)
