"""A batch of events becomes messages: events of one type become one, the order of the types is that of their first events."""

from collections.abc import Mapping, Sequence

import orjson

from dashboard_app.backend.events.encoding import dumped
from dashboard_app.model.event import Draft, Event, Shape
from dashboard_app.policy.coalesce import batch_type, combined


def drafts_of(batch: Sequence[Event], shapes: Mapping[str, Shape]) -> list[Draft]:
    """The messages of one batch. An event alone keeps its type and its data, byte for byte."""
    by_type: dict[str, list[Event]] = {}
    for event in batch:
        by_type.setdefault(event.type, []).append(event)
    return [draft for origin, events in by_type.items() for draft in _of_one_type(origin, events, shapes.get(origin, Shape.GENERAL))]


def single(event: Event) -> Draft:
    """An event as it is."""
    return Draft(event.type, event.type, event.payload)


def _of_one_type(origin: str, events: Sequence[Event], shape: Shape) -> list[Draft]:
    """One message for these; as many as there are when they are never combined."""
    if len(events) == 1 or shape is Shape.ALONE:
        return [single(event) for event in events]
    data = combined(origin, [orjson.loads(event.payload) for event in events], shape)
    return [Draft(batch_type(origin), origin, dumped(data), len(events))]
