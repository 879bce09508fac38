"""A state as word, icon and tone."""

import reflex as rx

from dashboard_app.console.components.icons import STATE_ICONS, icon_of


def badge(word: rx.Var[str] | str, tone: rx.Var[str] | str, icon_name: rx.Var[str], **props: str) -> rx.Component:
    """A state badge. Healthy has no fill; every other tone has one, and an edge instead of it while the data is old."""
    return rx.el.span(icon_of(icon_name, STATE_ICONS, 14), word, class_name=f"badge t-{tone}", **props)


def tone_icon(icon_name: rx.Var[str], tone: rx.Var[str] | str, size: int = 15) -> rx.Component:
    """The icon alone, in its tone; put its word beside it."""
    return rx.el.span(icon_of(icon_name, STATE_ICONS, size), class_name=f"tic t-{tone}")
