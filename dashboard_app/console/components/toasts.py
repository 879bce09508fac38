"""The corner of every page where short messages stand for a few seconds."""

import reflex as rx
from reflex_components_core.react_router import ReactRouterLink

from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.live import after
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows.shell import Toast


def toasts() -> rx.Component:
    """The results of the user's own actions, and alerts that have just opened; never the only place they are shown."""
    return rx.el.div(
        rx.foreach(ShellState.toasts, lambda toast: rx.fragment(_toast(toast), key=toast.id)), class_name="toasts", role="status"
    )


def _toast(toast: rx.Var[Toast]) -> rx.Component:
    """One result; it leaves by itself, but not from under the pointer."""
    return rx.el.div(
        rx.cond(toast.href != "", ReactRouterLink.create(toast.text, to=toast.href), rx.el.span(toast.text)),
        rx.cond(
            toast.paused_id != 0,
            rx.el.button("Undo", type="button", class_name="lnk", on_click=ShellState.undo(toast.id)),
            rx.cond(
                toast.alert_id != 0,
                rx.el.button("Undo", type="button", class_name="lnk", on_click=ShellState.undo_alert(toast.id)),
                rx.fragment(),
            ),
        ),
        rx.el.button(
            icon("x", 14),
            rx.el.span("Dismiss", class_name="unseen"),
            type="button",
            class_name="ib",
            on_click=ShellState.dismiss(toast.id),
        ),
        after(
            seconds=rx.cond((toast.paused_id != 0) | (toast.alert_id != 0), 10, 6),
            stamp=toast.id.to_string(),
            on_done=ShellState.dismiss(toast.id),
        ),
        class_name=f"toast t-{toast.tone}",
    )
