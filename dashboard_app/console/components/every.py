"""A page's own short read, again and again while somebody looks at it."""

import reflex as rx


class Every(rx.Component):
    """Fires `on_tick` every `seconds` while the page is in front; draws nothing."""

    library = "$/public/js/every.jsx"
    tag = "Every"
    seconds: rx.Var[float]
    on_tick: rx.EventHandler[rx.event.no_args_event_spec]  # type: ignore[type-arg,valid-type]


every = Every.create
