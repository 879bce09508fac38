"""Dialogs: focus is trapped, Escape closes, focus goes back to the opener. Each is rendered once per page, driven by state."""

from typing import Any

import reflex as rx


def dialog(is_open: rx.Var[bool], on_close: Any, title: rx.Var[str] | str, *content: rx.Component, width: int = 560) -> rx.Component:
    """A dialog for entering or reading. `on_close` takes the new open flag, False whenever it is called."""
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title(title, as_child=False, class_name="dialog-title"),
            *content,
            class_name="dialog",
            style={"max_width": f"{width}px"},
            aria_describedby="",
        ),
        open=is_open,
        on_open_change=on_close,
    )


def confirm(is_open: rx.Var[bool], on_close: Any, title: rx.Var[str] | str, *content: rx.Component, width: int = 560) -> rx.Component:
    """A dialog before something dangerous: it starts on Cancel and a click outside does not close it."""
    return rx.alert_dialog.root(
        rx.alert_dialog.content(
            rx.alert_dialog.title(title, class_name="dialog-title"),
            *content,
            class_name="dialog",
            style={"max_width": f"{width}px"},
            aria_describedby="",
        ),
        open=is_open,
        on_open_change=on_close,
    )


def cancel_button(word: str = "Cancel") -> rx.Component:
    """Closes the confirm dialog it stands in, and is where its focus starts."""
    return rx.alert_dialog.cancel(rx.el.button(word, type="button", class_name="btn"))


def actions(*buttons: rx.Component) -> rx.Component:
    """The row of buttons at the end of a dialog."""
    return rx.el.div(*buttons, class_name="da")
