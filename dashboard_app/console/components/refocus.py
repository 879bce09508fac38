"""Where the focus goes when a dialog closes that an answer of the server opened: back to the control that asked for it."""

import reflex as rx


class Refocus(rx.Component):
    """Draws nothing; put it beside the dialog and give it the same `is_open`."""

    library = "$/public/js/refocus.jsx"
    tag = "Refocus"
    is_open: rx.Var[bool]


refocus = Refocus.create
