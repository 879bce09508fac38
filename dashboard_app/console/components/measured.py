"""Response times per route, how the pool served its checkouts, and who follows the throttling-config."""

import reflex as rx

from dashboard_app.console.components.gauge import facts
from dashboard_app.console.components.holders import table_head
from dashboard_app.console.components.icons import icon_of

FOLLOW_ICONS = ("circle-check", "clock", "octagon-x", "circle-dashed")


def efficiency_panel(figures: rx.Var) -> rx.Component:
    """How the last checkouts were served."""
    return rx.el.section(
        rx.el.div(rx.el.h2("How checkouts were served"), class_name="pt"),
        facts(figures),
        class_name="panel eff-p",
        custom_attrs={"data-testid": "pool-efficiency"},
    )


def routes_panel(rows: rx.Var, heading: rx.Var[str]) -> rx.Component:
    """Response times and errors per route, the worst first."""
    nothing = rx.el.p("No request was answered in this time.", class_name="empty-line")
    table = rx.el.div(
        table_head("Route", "Requests", "Errors", "p50", "p95", "p99", numbers=(1, 2, 3, 4, 5)),
        rx.foreach(rows, _route),
        class_name="tbl rt",
        role="table",
        custom_attrs={"aria-label": "Response times by route, the worst first"},
    )
    return rx.el.section(
        rx.el.div(rx.el.h2("Response times of this server"), rx.el.small(heading), class_name="pt"),
        rx.cond(rows.length() > 0, table, nothing),
        class_name="panel",
        custom_attrs={"data-testid": "pool-performance"},
    )


def _route(row: rx.Var) -> rx.Component:
    """One route; what fails or is slow says so in a word."""
    verdict = rx.el.span(row.verdict, class_name=f"badge t-{row.tone}")
    return rx.el.div(
        rx.el.div(
            rx.el.span(row.route, class_name="mono cut", title=row.route),
            rx.cond(row.verdict != "", verdict, rx.fragment()),
            class_name="r-name",
            role="cell",
        ),
        *(
            rx.el.div(rx.el.small(word, class_name="r-word"), rx.el.b(value), class_name="num", role="cell")
            for word, value in (("requests", row.requests), ("errors", row.errors), ("p50", row.p50), ("p95", row.p95), ("p99", row.p99))
        ),
        class_name="row",
        role="row",
        key=row.route,
    )


def clients_panel(rows: rx.Var, heading: rx.Var[str]) -> rx.Component:
    """Who follows what clients are told."""
    nothing = rx.el.p("No client names itself. Send X-Throttle-Client with each request to be listed here.", class_name="empty-line")
    table = rx.el.div(
        table_head("Follows", "Client", "Acts on", "Config age", "Requests, last minute", numbers=(2, 3, 4)),
        rx.foreach(rows, _client),
        class_name="tbl cl",
        role="table",
        custom_attrs={"aria-label": "Clients of the throttling-config, who does not follow first"},
    )
    return rx.el.section(
        rx.el.div(rx.el.h2("Who follows the throttling"), rx.el.small(heading), class_name="pt"),
        rx.cond(rows.length() > 0, table, nothing),
        class_name="panel",
        custom_attrs={"data-testid": "pool-clients"},
    )


def _client(row: rx.Var) -> rx.Component:
    """One client."""
    word = rx.el.span(icon_of(row.icon, FOLLOW_ICONS, 14), row.word, class_name=f"badge t-{row.tone}")
    return rx.el.div(
        rx.el.div(rx.cond(row.tone == "ok", rx.el.span(row.word, class_name="quiet"), word), class_name="k-follow", role="cell"),
        rx.el.div(
            rx.el.span(row.name, class_name="mono cut", title=row.name),
            rx.cond(row.note != "", rx.el.small(row.note), rx.fragment()),
            class_name="k-client",
            role="cell",
        ),
        rx.el.div(row.version, class_name="num k-version", role="cell"),
        rx.el.div(row.age, class_name="num k-age", role="cell"),
        rx.el.div(row.requests, class_name=rx.cond(row.is_over, "num k-asks t-bad over", "num k-asks"), role="cell"),
        class_name="row",
        role="row",
        key=row.name,
    )
