"""What the pages of accounts and tokens share: a list of rows, and what is shown once."""

from typing import Any

import reflex as rx

from dashboard_app.console.components.failed import failed
from dashboard_app.console.components.icons import icon


def listed(kind: str, heads: tuple[str, ...], rows: rx.Var, row: Any) -> rx.Component:
    """`rows` as a list under its heads; a narrow screen shows each as a card."""
    return rx.el.div(
        rx.el.div(*(rx.el.span(head) for head in heads), class_name="prow phead", custom_attrs={"aria-hidden": "true"}),
        rx.el.ul(rx.foreach(rows, row)),
        class_name=f"panel people {kind}",
    )


def cell(label: str, *content: Any, class_name: str = "") -> rx.Component:
    """One cell; its label is read out, and shown where the heads are not."""
    return rx.el.span(rx.el.small(label), *content, class_name=f"pcell {class_name}".strip())


def shown_once(text: rx.Var[str], label: str, note: rx.Var[str] | str, on_done: Any, testid: str) -> rx.Component:
    """A secret that this answer alone shows, ready to be copied."""
    panel = rx.el.div(
        rx.el.label(label, html_for=testid),
        rx.el.div(
            rx.el.input(value=text, read_only=True, id=testid, class_name="in mono", custom_attrs={"data-testid": testid}),
            rx.el.button("Done", type="button", class_name="btn", on_click=on_done),
            class_name="ponce",
        ),
        rx.el.p(icon("triangle-alert", 14), note, class_name="fnote"),
        class_name="panel ppanel",
        role="status",
    )
    return rx.cond(text != "", panel, rx.fragment())


def told(result: rx.Var[str], failure: rx.Var[str]) -> rx.Component:
    """What the last act came to."""
    return rx.fragment(
        rx.el.p(result, role="status", class_name="told-line"),
        failed(failure),
    )
