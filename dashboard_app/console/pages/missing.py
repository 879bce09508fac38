"""What an address that no page has shows: a plain page without state, so that nothing has to be read for it."""

import reflex as rx

from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.shell import link


def page() -> rx.Component:
    """Says so, and leads back."""
    return rx.el.main(
        rx.el.section(
            icon("search", 22),
            rx.el.h1("There is no page at this address"),
            rx.el.p("It may have been moved, or typed wrong. ", link("Back to sources", to="/", class_name="lnk"), class_name="lede"),
            class_name="panel empty",
        ),
        class_name="page",
    )
