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
    """The holders, those that are alike in one row, what needs a look first."""
    return rx.el.div(
        _head("Verdict", "Holder", "Held", "State", "Statement", numbers=(2,)),
        rx.foreach(rows, _holder),
        class_name="tbl hold",
        role="table",
        custom_attrs={"aria-label": "Connection holders, what needs a look first"},
    )


def _holder(row: rx.Var) -> rx.Component:
    """One checkout, or several that are alike."""
    verdict = rx.el.span(icon_of(row.icon, VERDICT_ICONS, 14), row.verdict, class_name=f"badge t-{row.tone}")
    return rx.el.div(
        rx.el.div(rx.cond(row.tone == "quiet", rx.el.span(row.verdict, class_name="quiet"), verdict), class_name="h-flag", role="cell"),
        _who(row),
        rx.el.div(
            age(seconds=row.held_s, stamp=row.id.to_string(), mode="old", class_name="plain num"), class_name="num h-held", role="cell"
        ),
        rx.el.div(row.state, class_name="h-state", role="cell"),
        rx.el.div(row.query, class_name="mono h-q", role="cell", title=row.query),
        class_name="row",
        role="row",
        key=row.id.to_string(),
    )


def _who(row: rx.Var) -> rx.Component:
    """How many of whom, on which route; the numbers of several behind a disclosure."""
    numbers = rx.el.details(rx.el.summary(f"Show the {row.count} numbers"), rx.el.p(row.numbers, class_name="mono"), class_name="more")
    return rx.el.div(
        rx.el.span(
            rx.cond(row.count > 1, rx.el.b(f"{row.count} \u00d7", class_name="num h-many"), rx.fragment()),
            rx.el.b(row.who),
            class_name="h-name",
        ),
        rx.el.small(row.route, class_name="mono", title=row.route),
        rx.cond(row.count > 1, numbers, rx.fragment()),
        class_name="h-who",
        role="cell",
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
