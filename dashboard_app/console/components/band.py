"""A source's last day: the state band, its marks, and what changed when."""

from typing import Any

import reflex as rx

from dashboard_app.console.components.live import sentence
from dashboard_app.console.rows.timeline import BUCKETS, HEIGHT


def state_band(band: rx.Var) -> rx.Component:
    """The panel; nothing at all where there is nothing to draw."""
    panel = rx.el.section(
        rx.el.div(rx.el.h2("Last 24 hours"), rx.el.small("worst state of every 5 minutes"), class_name="pt"),
        rx.el.div(
            rx.el.div(_drawn(band), rx.foreach(band.changes, _mark), class_name="band-plot"),
            rx.el.div(
                rx.foreach(band.ticks, lambda at: sentence(at, "span")), class_name="band-ticks", custom_attrs={"aria-hidden": "true"}
            ),
            _listed(band),
            class_name="band",
        ),
        class_name="panel",
    )
    return rx.cond(band.paths.length() > 0, panel, rx.fragment())


def _drawn(band: rx.Var) -> rx.Component:
    """One path per state; taller is worse, so that it is read without colour, too."""
    attributes: dict[str, Any] = {"viewBox": f"0 0 {BUCKETS} {HEIGHT}", "preserveAspectRatio": "none", "aria-label": band.label}
    return rx.el.svg(rx.foreach(band.paths, _path), role="img", custom_attrs=attributes)


def _path(path: rx.Var) -> rx.Component:
    """All stretches of one state."""
    return rx.el.path(d=path.d, class_name=f"band-{path.tone}")


def _mark(change: rx.Var) -> rx.Component:
    """The letter over the place of a change."""
    return rx.el.span(change.letter, class_name="band-mark", style={"left": f"{change.percent}%"}, custom_attrs={"aria-hidden": "true"})


def _listed(band: rx.Var) -> rx.Component:
    """What changed when; the words stand beside their colours."""
    note = rx.cond(band.note != "", rx.el.li(rx.el.span(band.note)), rx.fragment())
    return rx.cond(band.changes.length() > 0, rx.el.ol(rx.foreach(band.changes, _change), note, class_name="evl"), rx.fragment())


def _change(change: rx.Var) -> rx.Component:
    """One change of state."""
    return rx.el.li(rx.el.b(change.letter), sentence(change.at, "span", class_name="when"), rx.el.span(change.word))
