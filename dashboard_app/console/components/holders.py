"""Who holds connections and who uses the pool, as tables that become cards on a narrow screen."""

import reflex as rx

from dashboard_app.console.components.icons import icon, icon_of
from dashboard_app.console.components.live import age
from dashboard_app.console.components.shell import link

VERDICT_ICONS = ("clock", "gauge", "hourglass", "shield-check")


def table_head(*words: str | rx.Component, numbers: tuple[int, ...] = ()) -> rx.Component:
    """The row of column names; `numbers` are the places of right-aligned ones."""
    cells = (rx.el.div(word, role="columnheader", class_name="num" if place in numbers else "") for place, word in enumerate(words))
    return rx.el.div(*cells, class_name="row head", role="row")


def _sorted_by(word: str, key: str, sort: rx.Var[str], hrefs: rx.Var, *, is_number: bool = False) -> rx.Component:
    """A column name that orders the table by a link, so that the order stands in the URL."""
    is_on = sort == key
    return rx.el.div(
        link(
            word,
            rx.cond(is_on, icon("arrow-down", 12), rx.fragment()),
            to=hrefs[key],
            class_name=rx.cond(is_on, "sorts on", "sorts"),
            title=f"Order by {word.lower()}",
        ),
        role="columnheader",
        class_name="num" if is_number else "",
        custom_attrs={"aria-sort": rx.cond(is_on, "descending" if key == "held" else "ascending", "none")},
    )


def holders_table(rows: rx.Var, sort: rx.Var[str] | None = None, hrefs: rx.Var | None = None) -> rx.Component:
    """The holders, those that are alike in one row. Without `sort` and `hrefs` the longest held come first and no order is offered."""
    if sort is None or hrefs is None:
        head = table_head("Verdict", "Holder and call site", "Held", "State", "Statement", numbers=(2,))
    else:
        head = rx.el.div(
            rx.el.div("Verdict", role="columnheader"),
            _sorted_by("Holder and call site", "site", sort, hrefs),
            _sorted_by("Held", "held", sort, hrefs, is_number=True),
            _sorted_by("State", "state", sort, hrefs),
            rx.el.div("Statement", role="columnheader"),
            class_name="row head",
            role="row",
        )
    return rx.el.div(
        head,
        rx.foreach(rows, _holder),
        class_name="tbl hold",
        role="table",
        custom_attrs={"aria-label": "Connection holders"},
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
    """How many of whom, on which route, from which line of code; the rest behind a disclosure."""
    return rx.el.div(
        rx.el.span(
            rx.cond(row.count > 1, rx.el.b(f"{row.count} \u00d7", class_name="num h-many"), rx.fragment()),
            rx.el.b(row.who),
            class_name="h-name",
        ),
        rx.el.small(row.route, class_name="mono", title=row.route),
        rx.cond(
            (row.call_site != "") & (row.call_site != row.route),
            rx.el.small(row.call_site, class_name="mono", title=row.call_site),
            rx.fragment(),
        ),
        rx.el.details(rx.el.summary("Details"), _details(row), class_name="more"),
        class_name="h-who",
        role="cell",
    )


def _details(row: rx.Var) -> rx.Component:
    """All that is known of one holder, the longest held of several."""
    return rx.el.dl(
        _detail("Call site", row.call_site),
        _detail("Statement", row.query),
        _detail("Server process", row.process),
        _detail("Numbers", row.numbers),
        rx.cond(row.stack.length() > 0, rx.el.div(rx.el.dt("Taken at"), rx.el.dd(stack(row.stack))), rx.fragment()),
        class_name="dets",
    )


def _detail(word: str, value: rx.Var[str]) -> rx.Component:
    """One fact; nothing when it is not known."""
    return rx.cond(value != "", rx.el.div(rx.el.dt(word), rx.el.dd(value, class_name="mono")), rx.fragment())


def stack(frames: rx.Var) -> rx.Component:
    """The frames of a stack, the innermost first."""
    return rx.el.ol(rx.foreach(frames, lambda frame: rx.el.li(frame, key=frame)), class_name="mono stack")


def call_sites_table(rows: rx.Var) -> rx.Component:
    """Who uses the pool, the most connection-seconds first."""
    return rx.el.div(
        table_head("Call site", "Share", "Held in all", "Held now", "Checkouts", "Held p95", numbers=(2, 3, 4, 5)),
        rx.foreach(rows, _call_site),
        class_name="tbl cs",
        role="table",
        custom_attrs={"aria-label": "Connection-seconds by call site"},
    )


def _call_site(row: rx.Var) -> rx.Component:
    """One place in the code."""
    bar = rx.el.span(rx.el.span(style={"width": f"{row.share_percent}%"}), class_name="sbar", custom_attrs={"aria-hidden": "true"})
    return rx.el.div(
        rx.el.div(row.call_site, class_name="mono cut", role="cell", title=row.call_site),
        rx.el.div(bar, rx.el.b(row.share, class_name="num"), class_name="c-share", role="cell"),
        *(
            rx.el.div(rx.el.b(value), class_name="num", role="cell")
            for value in (row.held_total, row.held_now, row.checkouts, row.held_p95)
        ),
        class_name="row",
        role="row",
        key=row.call_site,
    )


def leak_list(told: rx.Var[str], rows: rx.Var) -> rx.Component:
    """Suspected leaks since the start in one sentence, the last of them behind a disclosure; nothing when there was none."""
    listed = rx.el.details(
        rx.el.summary(told), rx.el.ul(rx.foreach(rows, _leak), class_name="leaks"), class_name="more leak-more", key="leaks"
    )
    return rx.cond(told != "", listed, rx.fragment())


def _leak(row: rx.Var) -> rx.Component:
    """One suspected leak."""
    return rx.el.li(
        rx.el.b(row.who),
        rx.el.small(row.call_site, class_name="mono"),
        rx.el.span(row.ended, rx.cond(row.held != "", f" after {row.held}", ""), class_name=f"told t-{row.tone}"),
        rx.cond(row.stack.length() > 0, stack(row.stack), rx.fragment()),
        key=row.id,
    )
