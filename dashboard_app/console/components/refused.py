"""The page of somebody whose role does not reach."""

import reflex as rx

from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.shell import link
from dashboard_app.console.pages.shell_state import ShellState


def refused(title: str) -> rx.Component:
    """`title` says which role the page needs; below it who is signed in, and the way back."""
    return rx.el.section(
        icon("lock", 22),
        rx.el.h1(title),
        rx.el.p(
            "You are signed in as ",
            rx.el.b(ShellState.user_role),
            ". ",
            link("Back to sources", to="/", class_name="lnk"),
            class_name="lede",
        ),
        class_name="panel empty",
    )
