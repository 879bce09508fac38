"""What the calls about events take and give."""

from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from dashboard_app.backend.api.values import Answer, Parameters
from dashboard_app.backend.events.judging import judged
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.event import EVENT_TYPE, Event

MOST_EVENTS = 10_000
MOST_TYPES = 100
_LONGEST_LIST = MOST_TYPES * 101
_FIELDS = frozenset({"type", "data"})
EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["type"],
    "properties": {
        "type": {"type": "string", "pattern": f"^{EVENT_TYPE.pattern}$", "not": {"const": "RESET"}},
        "data": {"type": "object", "default": {}},
    },
}
BODY_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [EVENT_SCHEMA, {"type": "array", "items": EVENT_SCHEMA, "minItems": 1, "maxItems": MOST_EVENTS}]},
                "example": {"type": "JOB_STARTED", "data": {"job_id": 123}},
            }
        },
    }
}
STREAM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "The fields of one message, as the specification of Server-Sent Events names them.",
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer"},
    },
}


class StreamQuery(Parameters):
    """What a reader of the stream asks for."""

    types: str = Field(default="", max_length=_LONGEST_LIST, description="Published types, with commas between; empty: all.")
    last_event_id: Annotated[int, Field(ge=0, lt=2**63)] | None = Field(
        default=None, description="Go on after this message; the header `Last-Event-ID` says the same and comes first."
    )


class AcceptedEventsOut(Answer):
    """How many were accepted."""

    accepted: int


class EventStatsOut(Answer):
    """The publisher and its readers in numbers since the start."""

    batcher_events_batched: int
    batcher_events_saved: int
    batcher_batches_created: int
    batcher_events_lost: int
    subscribers: int
    published_total: int
    messages_total: int
    waiting: int
    unsaved: int
    history: Literal["ok", "failing"]
    batching: bool


def events_of(body: bytes) -> list[Event]:
    """The events in a body: one, or a list of them; all or none.

    Raises:
        InvalidInput: it is no JSON, too many, or one of them cannot be; `errors` names each.

    """
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidInput("The body is not JSON.", ({"field": "body", "message": "is not JSON"},)) from None
    if isinstance(given, dict):
        return [_event_of(given, "")]
    if not isinstance(given, list) or not given:
        raise InvalidInput("The body is an event or a list of events.", ({"field": "body", "message": "is an event or a list of them"},))
    if len(given) > MOST_EVENTS:
        raise InvalidInput("Too many events at once.", ({"field": "body", "message": f"has more than {MOST_EVENTS} events"},))
    found: list[Event] = []
    wrong: list[dict[str, str]] = []
    for index, one in enumerate(given):
        try:
            found.append(_event_of(one, f"{index}."))
        except InvalidInput as refused:
            wrong += refused.errors
    if wrong:
        raise InvalidInput("Some events are not acceptable; none was taken.", tuple(wrong[:100]))
    return found


def _event_of(given: object, place: str) -> Event:
    """One event of a body. `place` stands before its fields in the reasons."""
    if not isinstance(given, dict):
        raise InvalidInput("An event is an object.", ({"field": place.rstrip(".") or "body", "message": "is an object"},))
    if unknown := sorted(str(name) for name in given.keys() - _FIELDS):
        raise InvalidInput(
            "An event has type and data.", tuple({"field": f"{place}{name[:100]}", "message": "is not known"} for name in unknown)
        )
    try:
        return judged(given.get("type"), given.get("data", {}))
    except InvalidInput as refused:
        errors = tuple({"field": f"{place}{error['field']}", "message": error["message"]} for error in refused.errors)
        raise InvalidInput(refused.detail, errors) from refused
