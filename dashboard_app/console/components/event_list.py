"""The tail of the live feed: rows that come on top, frozen while a person pauses, scrolls or reads one."""

from typing import Any

import reflex as rx
from reflex.event import no_args_event_spec, passthrough_event_spec

from dashboard_app.console.rows.events import Detail, EventRow, Tail


class EventList(rx.Component):
    """Rows, newest first, 500 at most. `first` is the list as sent whole, `tail` what came since; drawn by `assets/js/events.jsx`."""

    library = "$/public/js/events.jsx"
    tag = "EventList"
    first: rx.Var[list[EventRow]]
    tail: rx.Var[Tail]
    opened: rx.Var[Detail]
    opens: rx.Var[bool]
    nothing: rx.Var[str]
    filtered: rx.Var[bool]
    is_loading: rx.Var[bool]

    @classmethod
    def get_event_triggers(cls) -> dict[str, Any]:
        """The usual triggers; `on_open` carries the place of a row, `on_again` asks for the list anew."""
        return super().get_event_triggers() | {
            "on_open": passthrough_event_spec(int),
            "on_close": no_args_event_spec,
            "on_again": no_args_event_spec,
        }


event_list = EventList.create
