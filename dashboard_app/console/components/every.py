"""A page's own short read, again and again while somebody looks at it; whether anybody does; and whether they are still signed in."""

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


class StillSignedIn(rx.Component):
    """While it is there, asks every `seconds` whether the session is good and leaves for the sign-in page when it is not; draws nothing."""

    library = "$/public/js/every.jsx"
    tag = "StillSignedIn"
    seconds: rx.Var[float]


every = Every.create
in_sight = InSight.create
still_signed_in = StillSignedIn.create
