"""Form fields with their label, hint and error; the error is tied to its field for readers."""

from typing import Any

import reflex as rx


def field(
    name: str,
    label: str | rx.Component,
    error: rx.Var[str],
    *,
    hint: rx.Var[str] | str = "",
    wide: bool = False,
    auto_complete: str = "off",
    **props: Any,
) -> rx.Component:
    """A text field called `name` in its form. `error` shows under it in place of `hint`; further props go to the input."""
    identifier = f"field-{name}"
    return rx.el.div(
        rx.el.label(label, html_for=identifier),
        rx.el.input(
            id=identifier,
            name=name,
            class_name="in",
            auto_complete=auto_complete,
            custom_attrs={"aria-describedby": f"{identifier}-note", "aria-invalid": rx.cond(error != "", "true", "false")},
            **props,
        ),
        note(identifier, error, hint),
        class_name="fd wide" if wide else "fd",
    )


def choice(name: str, label: str, options: list[tuple[str, str]], error: rx.Var[str], *, hint: str = "", **props: Any) -> rx.Component:
    """A native drop-down called `name`; each option is its value and its words."""
    identifier = f"field-{name}"
    return rx.el.div(
        rx.el.label(label, html_for=identifier),
        rx.el.select(
            *(rx.el.option(text, value=value) for value, text in options),
            id=identifier,
            name=name,
            class_name="in",
            custom_attrs={"aria-describedby": f"{identifier}-note"},
            **props,
        ),
        note(identifier, error, hint),
        class_name="fd",
    )


def submit(words: rx.Var[str] | str, class_name: str = "btn primary", **props: Any) -> rx.Component:
    """The button that sends a form. It waits until the page has loaded.

    Loading takes what the last act came to off the screen, and a form that is sent before the scripts are there leaves as a plain one:
    its fields stand in the address then.
    """
    return rx.el.button(words, type="submit", class_name=class_name, disabled=~rx.State.is_hydrated, **props)


def note(identifier: str, error: rx.Var[str], hint: rx.Var[str] | str = "") -> rx.Component:
    """The line under a field."""
    return rx.el.p(
        rx.cond(error != "", error, hint),
        id=f"{identifier}-note",
        class_name=rx.cond(error != "", "fnote bad", "fnote"),
    )
