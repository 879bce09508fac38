"""The banner that stands above the verdict while last known values are shown."""

import reflex as rx

from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.live import age, sentence
from dashboard_app.console.pages.shell_state import ShellState


def fallback_banner() -> rx.Component:
    """Since when, why, how old, what next; in the page only while it is true."""
    return rx.cond(ShellState.is_fallback, _banner(), rx.fragment())


def _banner() -> rx.Component:
    """The banner itself. Its text ticks, its height does not change."""
    shown = ShellState.banner
    return rx.el.div(
        icon("unplug", 18),
        rx.el.div(
            sentence(shown.since, "b"),
            " ",
            sentence(shown.cause),
            " ",
            rx.cond(shown.has_values, _ages(), rx.fragment()),
            _next(),
        ),
        rx.cond(
            ShellState.may_operate & (shown.next_step != "never"),
            rx.el.button("Try now", type="button", class_name="btn sm", on_click=ShellState.try_now),
            rx.fragment(),
        ),
        class_name="banner t-warn",
        role="status",
        custom_attrs={"data-testid": "fallback-banner"},
    )


def _ages() -> rx.Component:
    """How old the values on this page are."""
    shown = ShellState.banner
    return rx.fragment(
        "Values are ",
        age(seconds=shown.youngest_s, stamp=shown.stamp, mode="old", class_name="plain num"),
        " to ",
        age(seconds=shown.oldest_s, stamp=shown.stamp, mode="old", class_name="plain num"),
        " old. ",
    )


def _next() -> rx.Component:
    """What happens next, and when."""
    shown = ShellState.banner
    return rx.match(
        shown.next_step,
        ("next", age(seconds=shown.next_s, stamp=shown.stamp, mode="next", template="Next try {}.", class_name="plain num")),
        ("trying", rx.fragment("Trying now.")),
        ("never", rx.fragment("No further try until the breaker is closed.")),
        rx.fragment("Asking again every few seconds."),
    )
