"""How large the pool should be: the curve of the wait over the number of connections, and the same as a table."""

from typing import Any

import reflex as rx

from dashboard_app.console.components.holders import table_head
from dashboard_app.console.components.live import sentence
from dashboard_app.console.rows.sizing import HEIGHT, WIDTH


def sizing_panel(view: rx.Var) -> rx.Component:
    """The panel; without a curve only the sentence that says why."""
    drawn = rx.fragment(_plot(view), rx.el.p("Connections of the pool", class_name="sz-x"), _table(view))
    return rx.el.section(
        rx.el.div(rx.el.h2("How large it should be"), rx.el.small(view.note), class_name="pt"),
        sentence(view.verdict, "p", class_name="sz-told"),
        rx.cond(view.path != "", drawn, rx.fragment()),
        class_name="panel sz",
        custom_attrs={"data-testid": "pool-sizing"},
    )


def _plot(view: rx.Var) -> rx.Component:
    """The curve with its axes, the limit, what is and what is enough."""
    attributes: dict[str, Any] = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "preserveAspectRatio": "none", "aria-label": view.label}
    hidden = {"aria-hidden": "true"}
    return rx.el.div(
        rx.el.div(rx.foreach(view.y_ticks, _y_tick), class_name="sz-y", custom_attrs=hidden),
        rx.el.div(
            rx.el.svg(rx.el.path(d=view.path, class_name="sz-line"), role="img", custom_attrs=attributes),
            rx.el.div(rx.el.span(view.limit), class_name="sz-limit", style={"bottom": f"{view.limit_percent}%"}, custom_attrs=hidden),
            rx.foreach(view.marks, _mark),
            rx.el.div(rx.foreach(view.x_ticks, _x_tick), class_name="sz-xt", custom_attrs=hidden),
            class_name="sz-plot",
        ),
        class_name="sz-frame",
    )


def _y_tick(tick: rx.Var) -> rx.Component:
    """One wait on the scale."""
    return rx.el.span(tick.word, style={"bottom": f"{tick.percent}%"})


def _x_tick(tick: rx.Var) -> rx.Component:
    """One number of connections on the scale."""
    return rx.el.span(tick.word, style={"left": f"{tick.percent}%"})


def _mark(mark: rx.Var) -> rx.Component:
    """A line through a number of connections that matters, with its words."""
    return rx.el.div(
        rx.el.span(mark.word, class_name=rx.cond(mark.is_low, f"low {mark.side}", mark.side)),
        class_name=f"sz-mark sz-{mark.kind}",
        style={"left": f"{mark.percent}%"},
        custom_attrs={"aria-hidden": "true"},
    )


def _table(view: rx.Var) -> rx.Component:
    """The same in figures."""
    table = rx.el.div(
        table_head("Pool of", "Wait p50", "Wait p95", "Wait p99", "Waited", "", numbers=(0, 1, 2, 3, 4)),
        rx.foreach(view.rows, _row),
        class_name="tbl szt",
        role="table",
        custom_attrs={"aria-label": "Wait by number of connections"},
    )
    scrolled = rx.el.div(
        table, tab_index=0, role="region", class_name="szt-box", custom_attrs={"aria-label": "Wait by number of connections as a table"}
    )
    return rx.el.details(rx.el.summary("Show as table"), scrolled, class_name="more")


def _row(row: rx.Var) -> rx.Component:
    """One number of connections."""
    return rx.el.div(
        *(rx.el.div(value, class_name="num", role="cell") for value in (row.connections, row.p50, row.p95, row.p99, row.waited)),
        rx.el.div(rx.el.b(row.mark), role="cell"),
        class_name="row",
        role="row",
        key=row.connections,
    )
