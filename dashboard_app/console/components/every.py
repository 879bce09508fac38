"""A page's own short read, again and again while somebody looks at it; and whether anybody does."""

from typing import Any

import reflex as rx
from reflex.event import passthrough_event_spec


class Every(rx.Component):
    """Fires `on_tick` every `seconds` while the page is in front, and when `stamp` changes; draws nothing."""

    library = "$/public/js/every.jsx"
    tag = "Every"
    seconds: rx.Var[float]
    stamp: rx.Var[int]
    on_tick: rx.EventHandler[rx.event.no_args_event_spec]  # type: ignore[type-arg,valid-type]


class InSight(rx.Component):
    """Fires `on_seen` with True or False when the page comes in sight of a person or goes out of it; draws nothing."""

    library = "$/public/js/every.jsx"
    tag = "InSight"

    @classmethod
    def get_event_triggers(cls) -> dict[str, Any]:
        """The usual triggers and `on_seen`."""
        return super().get_event_triggers() | {"on_seen": passthrough_event_spec(bool)}


every = Every.create
in_sight = InSight.create
