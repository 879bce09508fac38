"""The page `/`: what is broken, since when, and is the picture current?"""

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.components.empty import empty
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.live import patched_rows, rows_again, sentence
from dashboard_app.console.components.shell import link, shell
from dashboard_app.console.components.source_card import source_card
from dashboard_app.console.components.source_filters import source_filters
from dashboard_app.console.components.source_form import source_dialogs
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.pages.source_form import SourceForm
from dashboard_app.console.pages.sources_state import SourcesState
from dashboard_app.console.rows.lanes import LaneRow

_SKELETON_ROWS = 20
"""They reach past the end of the screen, so that nothing below them jumps when the real ones come."""


def page() -> rx.Component:
    """The whole page."""
    return shell(
        "sources",
        rx.el.section(
            _head(),
            rx.cond(SourcesState.is_first_run, _first_run(), rx.fragment(_progress(), source_filters(), _list())),
            rows_again(SourcesState.again),
            class_name="page",
        ),
        source_dialogs(),
    )


def _head() -> rx.Component:
    """The verdict, the line under it, and what may be done."""
    return rx.el.div(
        rx.el.div(
            sentence(
                rx.cond(SourcesState.is_loading, "Reading sources…", SourcesState.verdict), "h1", custom_attrs={"aria-live": "polite"}
            ),
            rx.cond(
                SourcesState.is_loading,
                rx.el.p(rx.el.span("Still waiting for the server"), class_name="lede waiting"),
                sentence(SourcesState.lede, "p", class_name="lede"),
            ),
        ),
        rx.el.div(
            rx.el.button(
                icon("refresh-cw"),
                "Refresh now",
                rx.el.kbd("R"),
                type="button",
                class_name="btn",
                disabled=~ShellState.may_operate | ShellState.is_fallback,
                title=_reason("operator", ShellState.may_operate),
                on_click=SourcesState.refresh,
                custom_attrs={"data-key": "r"},
            ),
            rx.el.button(
                icon("plus"),
                "Add source",
                type="button",
                class_name="btn primary",
                disabled=~ShellState.may_administer | ShellState.is_fallback,
                title=_reason("admin", ShellState.may_administer),
                on_click=SourceForm.add,
                custom_attrs={"data-testid": "add-source"},
            ),
            class_name="pa",
        ),
        class_name="ph steady",
    )


def _reason(role: str, may: rx.Var[bool]) -> rx.Var[str]:
    """Why a control is off; empty when it is on."""
    return rx.cond(
        ~may,
        f"Needs the {role} role; you are signed in as " + ShellState.user_role,
        rx.cond(ShellState.is_fallback, "Not while the server is away", ""),
    )


def _progress() -> rx.Component:
    """The loader's lanes, the pool in short, and the last full round."""
    return rx.el.div(
        _lane("health", "Health", SourcesState.health_lane),
        _lane("metrics", "Metrics", SourcesState.metrics_lane),
        link(
            rx.el.div(
                rx.el.b("Pool"), rx.el.span(ShellState.pool.text, class_name="num"), rx.el.small(ShellState.level.word), class_name="pl"
            ),
            rx.el.div(
                rx.el.span(class_name=f"b-{ShellState.pool.bar}", style={"width": f"{ShellState.pool.percent}%"}), class_name="pb pool"
            ),
            rx.el.small(SourcesState.pool_note, class_name="pn"),
            to="/pool",
            class_name="prog short",
        ),
        rx.el.div(
            rx.cond(
                SourcesState.last_round.took != "",
                rx.fragment(
                    rx.el.small("Last full round"),
                    rx.el.b(SourcesState.last_round.took, class_name="num"),
                    rx.el.small(sentence(SourcesState.last_round.ended)),
                ),
                rx.fragment(rx.el.small("Last full round"), rx.el.b(words.UNKNOWN), rx.el.small("none since the start")),
            ),
            class_name="lastr",
        ),
        class_name="progs panel",
    )


def _lane(key: str, name: str, lane: rx.Var[LaneRow]) -> rx.Component:
    """One lane: how far, how many in flight, why it is slow."""
    return rx.el.div(
        rx.el.div(rx.el.b(name), rx.el.span(lane.done, " / ", lane.total, class_name="num"), rx.el.small(lane.flying), class_name="pl"),
        rx.el.div(rx.el.span(style={"width": f"{lane.percent}%"}), class_name="pb"),
        rx.el.small(lane.note, class_name="pn"),
        class_name="prog",
        role="progressbar",
        custom_attrs={
            "data-testid": f"{key}-progress",
            "aria-label": f"{name} lane",
            "aria-valuemin": "0",
            "aria-valuenow": lane.done.to_string(),
            "aria-valuemax": lane.total.to_string(),
        },
    )


def _list() -> rx.Component:
    """The rows, or why there are none."""
    rows = patched_rows(SourcesState.rows, SourcesState.patch)
    return rx.cond(
        SourcesState.empty_words != "",
        rx.el.div(
            empty(
                "search",
                SourcesState.empty_words,
                link("Clear filters", to="/", class_name="btn"),
            ),
            class_name="panel",
        ),
        rx.el.div(
            rx.el.div(
                _columns(),
                rx.cond(SourcesState.is_loading, _skeleton(), rx.fragment()),
                rx.foreach(rows, lambda row: rx.fragment(source_card(row=row), key=row.id)),
                role="table",
                custom_attrs={"aria-label": "Sources"},
            ),
            rx.cond(SourcesState.is_loading, rx.fragment(), _foot()),
            class_name="tbl sources panel",
        ),
    )


def _columns() -> rx.Component:
    """The head of the table."""
    names = ("State", "Source", "Why, or key figures", "Last 30 checks", "Latency", "Connections", "Checked")
    return rx.el.div(
        *(rx.el.div(name, role="columnheader", class_name="num" if name in ("Latency", "Checked") else "") for name in names),
        rx.el.div(rx.el.span("Actions", class_name="unseen"), role="columnheader"),
        class_name="row head",
        role="row",
    )


def _skeleton() -> rx.Component:
    """Rows of final height before the very first answer."""
    return rx.fragment(
        *(
            rx.el.div(
                rx.el.div(role="cell", class_name="ghost-bar"), class_name="row skel", role="row", custom_attrs={"aria-hidden": "true"}
            )
            for _ in range(_SKELETON_ROWS)
        )
    )


def _foot() -> rx.Component:
    """How many, what moved meanwhile, and the other pages."""
    return rx.el.div(
        rx.el.span(SourcesState.range_words, class_name="num"),
        rx.cond(
            SourcesState.changed_words != "",
            rx.el.span(
                "Order kept while you read. ",
                SourcesState.changed_words,
                " ",
                rx.el.button("sort again", type="button", class_name="lnk", on_click=SourcesState.again, custom_attrs={"data-key": "o"}),
                class_name="dim",
            ),
            rx.fragment(),
        ),
        rx.el.span(class_name="sp"),
        _turn("Previous", SourcesState.previous_href, "["),
        _turn("Next", SourcesState.next_href, "]"),
        class_name="foot",
    )


def _turn(word: str, href: rx.Var[str], key: str) -> rx.Component:
    """A link to another page of the list, off when there is none."""
    return rx.cond(
        href != "",
        link(word, to=href, class_name="btn sm", custom_attrs={"data-key": key}),
        rx.el.button(word, type="button", class_name="btn sm", disabled=True),
    )


def _first_run() -> rx.Component:
    """Nothing is registered yet: three ways to begin."""
    return rx.fragment(
        rx.el.div(
            rx.el.div(
                rx.el.h2("Add the first"),
                rx.el.p("Name, host, port, user. Test it before you save, or save it as it is."),
                rx.el.button(
                    icon("plus"),
                    "Add a source",
                    type="button",
                    class_name="btn primary",
                    disabled=~ShellState.may_administer,
                    title=_reason("admin", ShellState.may_administer),
                    on_click=SourceForm.add,
                ),
                class_name="panel card",
            ),
            rx.el.div(
                rx.el.h2("Import"),
                rx.el.p("Many at once, from a file that an export wrote or you did:"),
                rx.el.code("make cli ARGS='sources import file.yaml'"),
                class_name="panel card",
            ),
            rx.el.div(
                rx.el.h2("See it with pretend data"),
                rx.el.p("24 listeners on this machine: healthy, slow, failing, flapping, unreachable."),
                rx.el.code("make demo"),
                class_name="panel card",
            ),
            class_name="cards",
        ),
        rx.el.p("Spillway already watches its own pool. ", link("Look at it", to="/pool", class_name="lnk"), class_name="lede"),
    )
