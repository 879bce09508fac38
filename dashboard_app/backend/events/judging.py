"""What may be published: a type that can travel in a line and a list, and data that is JSON and not too much of it."""

from dashboard_app.backend.events.encoding import dumped
from dashboard_app.model.errors import InvalidInput
from dashboard_app.model.event import EVENT_TYPE, MOST_EVENT_BYTES, RESET, Event

_KNOWN_TYPES: set[str] = set()
_MOST_KNOWN = 1_000


def judged(event_type: object, data: object, source: str = "") -> Event:
    """An event that can be published.

    Raises:
        InvalidInput: the type or the data cannot be.

    """
    if not isinstance(event_type, str) or event_type not in _KNOWN_TYPES:
        event_type = _learn(event_type)
    if not isinstance(data, dict):
        raise _wrong("data", "is an object")
    try:
        payload = dumped(data)
    except TypeError:
        raise _wrong("data", "holds a value that JSON cannot") from None
    if len(payload) > MOST_EVENT_BYTES:
        raise _wrong("data", f"has more than {MOST_EVENT_BYTES} bytes of JSON")
    return Event(event_type, payload, source)


def _learn(event_type: object) -> str:
    """Remember a type that can be, so that it is judged once, and give it back. Raises InvalidInput."""
    if not isinstance(event_type, str) or not EVENT_TYPE.fullmatch(event_type):
        raise _wrong("type", "is 1 to 100 letters, digits and _ . : -, a letter or a digit first")
    if event_type == RESET:
        raise _wrong("type", "is a word of the stream itself")
    if len(_KNOWN_TYPES) >= _MOST_KNOWN:
        _KNOWN_TYPES.clear()
    _KNOWN_TYPES.add(event_type)
    return event_type


def _wrong(field: str, message: str) -> InvalidInput:
    return InvalidInput("An event is not acceptable.", ({"field": field, "message": message},))
