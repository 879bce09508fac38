"""Who holds connections and where checkouts come from, as tables that become cards on a narrow screen."""

import reflex as rx

from dashboard_app.console.components.icons import icon_of
from dashboard_app.console.components.live import age

VERDICT_ICONS = ("clock", "hourglass", "shield-check")


def _head(*words: str, numbers: tuple[int, ...] = ()) -> rx.Component:
    """The row of column names; `numbers` are the places of right-aligned ones."""
    cells = (rx.el.div(word, role="columnheader", class_name="num" if place in numbers else "") for place, word in enumerate(words))
    return rx.el.div(*cells, class_name="row head", role="row")


def holders_table(rows: rx.Var) -> rx.Component:
    """The holders, longest held first."""
    return rx.el.div(
        _head("Verdict", "Holder", "Held", "State", "Statement", numbers=(2,)),
        rx.foreach(rows, _holder),
        class_name="tbl hold",
        role="table",
        custom_attrs={"aria-label": "Connection holders, longest first"},
    )


def _holder(row: rx.Var) -> rx.Component:
    """One checked-out connection."""
    verdict = rx.el.span(icon_of(row.icon, VERDICT_ICONS, 14), row.verdict, class_name=f"badge t-{row.tone}")
    return rx.el.div(
        rx.el.div(rx.cond(row.tone == "quiet", rx.el.span(row.verdict, class_name="quiet"), verdict), class_name="h-flag", role="cell"),
        rx.el.div(rx.el.b(row.who), rx.el.small(row.route, class_name="mono", title=row.route), class_name="h-who", role="cell"),
        rx.el.div(age(seconds=row.held_s, stamp=row.who, mode="old", class_name="plain num"), class_name="num h-held", role="cell"),
        rx.el.div(row.state, class_name="h-state", role="cell"),
        rx.el.div(row.query, class_name="mono h-q", role="cell", title=row.query),
        class_name="row",
        role="row",
        key=row.id.to_string(),
    )


def call_sites_table(rows: rx.Var) -> rx.Component:
    """Where checkouts come from, the longest held in all first."""
    return rx.el.div(
        _head("Call site", "Checkouts", "Held in all", "Held p95", numbers=(1, 2, 3)),
        rx.foreach(rows, _call_site),
        class_name="tbl cs",
        role="table",
        custom_attrs={"aria-label": "Checkouts by call site"},
    )


def _call_site(row: rx.Var) -> rx.Component:
    """One place in the code."""
    return rx.el.div(
        rx.el.div(row.call_site, class_name="mono cut", role="cell", title=row.call_site),
        *(rx.el.div(rx.el.b(value), class_name="num", role="cell") for value in (row.checkouts, row.held_total, row.held_p95)),
        class_name="row",
        role="row",
        key=row.call_site,
    )
