"""What stands where there is nothing to show: it says why, and what to do."""

import reflex as rx

from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.shell import link


def empty(icon_name: str, title: rx.Var[str] | str, *content: rx.Component) -> rx.Component:
    """An empty state in a panel's place."""
    return rx.el.div(icon(icon_name, 22), rx.el.h2(title), *content, class_name="empty")


def forbidden(page_name: str, needed: str, role: rx.Var[str]) -> rx.Component:
    """The page of somebody whose role may not open it."""
    return rx.el.section(
        rx.el.h1(f"{page_name} need the {needed} role"),
        rx.el.p("You are signed in as ", rx.el.b(role), ". ", link("Back to sources", to="/", class_name="lnk"), class_name="lede"),
        class_name="page",
    )
