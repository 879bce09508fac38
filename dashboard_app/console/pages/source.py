"""`/sources/[id]`: why is this one in this state, and what changed?"""

from typing import Any

import reflex as rx

from dashboard_app.console.components.badge import badge
from dashboard_app.console.components.band import state_band
from dashboard_app.console.components.chart import live_chart
from dashboard_app.console.components.every import every
from dashboard_app.console.components.gauge import facts
from dashboard_app.console.components.icons import KIND_ICONS, icon, icon_of
from dashboard_app.console.components.live import age, sentence, strip
from dashboard_app.console.components.pools import act_dialog, pools_panel
from dashboard_app.console.components.shell import link, shell
from dashboard_app.console.components.source_form import source_dialogs
from dashboard_app.console.pages.pooler_state import PoolerState
from dashboard_app.console.pages.service_panel import service_panel
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.pages.source_actions import SourceActions
from dashboard_app.console.pages.source_form import SourceForm
from dashboard_app.console.pages.source_state import SourceState
from dashboard_app.console.words import UNKNOWN

READ_AGAIN_S = 300
POOLS_AGAIN_S = 5


def page() -> rx.Component:
    """One source, or that there is none."""
    state = SourceState
    missing = rx.el.section(
        icon("circle-dashed", 22),
        rx.el.h1(state.missing),
        rx.el.p(
            link("Back to sources", to="/", class_name="lnk"),
            rx.cond(
                ShellState.may_administer, rx.fragment(" · ", link("Audit log", to="/audit?action=sources.write", class_name="lnk")), ""
            ),
            class_name="lede",
        ),
        class_name="panel empty",
    )
    return shell("sources", rx.cond(state.missing != "", missing, _source()), source_dialogs())


def _source() -> rx.Component:
    """Verdict, facts, checks, charts."""
    state = SourceState
    return rx.el.section(
        _head(),
        _identity(),
        rx.cond(
            state.is_service,
            service_panel(state.source_number),
            rx.cond(state.figures.length() > 0, facts(state.figures), rx.fragment()),
        ),
        _checks(),
        rx.cond(state.is_pooler, _pools(), rx.fragment()),
        state_band(state.band),
        _charts(),
        every(seconds=READ_AGAIN_S, on_tick=SourceState.read_charts),
        class_name="page",
    )


def _pools() -> rx.Component:
    """What a PgBouncer tells of its pools, read again while somebody looks."""
    return rx.fragment(pools_panel(), act_dialog(), every(seconds=POOLS_AGAIN_S, on_tick=PoolerState.read(SourceState.source_number)))


def _head() -> rx.Component:
    """The verdict and what can be done."""
    state = SourceState
    return rx.el.div(
        rx.el.div(
            sentence(rx.cond(state.is_loading, "Reading this source…", state.verdict.title), "h1"),
            sentence(state.verdict.lede, "p", class_name="lede"),
            rx.el.p(
                rx.cond(state.check_result != "", rx.el.span(state.check_result, class_name=f"told t-{state.check_tone}"), ""),
                role="status",
                class_name="told-line",
            ),
        ),
        rx.el.div(_check_now(), *_changes(), class_name="pa"),
        class_name="ph",
    )


def _why_not(refused: rx.Var[str]) -> rx.Var[str]:
    """Why an action is off; empty when it is on."""
    return rx.cond(refused != "", refused, rx.cond(ShellState.is_fallback, "Not while the server is away", ""))


def _action(word: rx.Var[str] | str, refused: rx.Var[str], icon_name: str, **props: Any) -> rx.Component:
    """A button that says why it is off."""
    why = _why_not(refused)
    kind = props.pop("kind", "btn")
    return rx.el.button(
        icon(icon_name, 15),
        word,
        rx.cond(why != "", rx.el.span(". ", why, class_name="unseen"), ""),
        type="button",
        class_name=kind,
        disabled=why != "",
        title=why,
        **props,
    )


def _check_now() -> rx.Component:
    """Probe at once."""
    state = SourceState
    return _action(rx.cond(state.is_checking, "Checking…", "Check now"), state.refused_check, "refresh-cw", on_click=state.check_now)


def _changes() -> tuple[rx.Component, ...]:
    """What an admin may change; the dialogs are those of the list."""
    state = SourceState
    number = state.source_number
    pause = _action("Pause", state.refused_write, "pause", on_click=SourceActions.pause(number))
    enable = _action("Enable", state.refused_write, "play", on_click=SourceActions.enable(number))
    own = rx.cond(state.refused_write != "", state.refused_write, rx.cond(state.is_own, "Spillway's own source cannot be deleted", ""))
    return (
        rx.cond(state.is_enabled, pause, enable),
        _action("Edit…", state.refused_write, "pencil", on_click=SourceForm.edit(number)),
        _action("Delete…", own, "trash-2", on_click=SourceForm.ask_delete(number), kind="btn danger"),
    )


def _identity() -> rx.Component:
    """Who it is, how old the picture is, and the last checks."""
    state = SourceState
    known = state.facts
    return rx.el.div(
        badge(state.verdict.word, state.verdict.tone, state.verdict.icon),
        rx.el.span(icon_of(known.kind_icon, KIND_ICONS, 15), known.kind, class_name="idk"),
        rx.el.span(known.address, class_name="mono cut"),
        rx.cond(known.environment != "", rx.el.span(known.environment, class_name="nchip t-off"), rx.fragment()),
        rx.foreach(known.tags, lambda tag: rx.el.span(tag, class_name="nchip t-off")),
        rx.el.span(class_name="sp"),
        rx.el.span(strip(recent=state.recent), class_name="idstrip"),
        rx.el.span(
            "checked ",
            age(seconds=state.checked_s, stamp=state.checked_stamp, late=state.late_s, mode="ago"),
            rx.cond(
                state.next_s,
                rx.fragment(
                    ", ", age(seconds=state.next_s, stamp=state.checked_stamp, mode="next", template="next {}", class_name="plain")
                ),
                "",
            ),
            class_name="dim num",
        ),
        class_name="panel identity tbl",
    )


def _checks() -> rx.Component:
    """Each check of the last probe."""
    state = SourceState
    head = ("Check", "Verdict", "Observed", "Limit", "Since", "What was found")
    table = rx.el.div(
        rx.el.div(
            *(rx.el.div(word, role="columnheader", class_name="num" if word == "Observed" else "") for word in head),
            class_name="row head",
            role="row",
        ),
        rx.foreach(state.checks, _check),
        class_name="tbl checks",
        role="table",
        custom_attrs={"aria-label": "Checks of the last probe, worst first"},
    )
    nothing = rx.el.p(
        "No check has been made yet. The next health round reaches this source; Check now asks at once.", class_name="empty-line"
    )
    return rx.el.div(
        rx.el.div(rx.el.h2("Checks"), rx.el.small("of the last probe, worst first"), class_name="pt"),
        rx.cond(state.checks.length() > 0, table, nothing),
        class_name="panel",
    )


def _check(row: rx.Var) -> rx.Component:
    """One check."""
    return rx.el.div(
        rx.el.div(row.name, role="cell", class_name="k-name"),
        rx.el.div(badge(row.word, row.tone, row.icon), role="cell", class_name="k-word"),
        rx.el.div(row.observed, role="cell", class_name="num k-seen"),
        rx.el.div(row.limit, role="cell", class_name="dim k-limit"),
        sentence(rx.cond(row.since != "", row.since, UNKNOWN), "div", role="cell", class_name="k-since"),
        rx.el.div(row.finding, role="cell", class_name="k-found"),
        class_name="row",
        role="row",
        key=row.name,
    )


def _charts() -> rx.Component:
    """Four charts with one range and one cursor."""
    state = SourceState
    choices = rx.el.nav(rx.foreach(state.ranges, _range), class_name="seg sm2", custom_attrs={"aria-label": "Range"})
    return rx.el.section(
        rx.el.div(rx.el.h2("History"), choices, class_name="pt plain-head"),
        rx.el.div(
            rx.foreach(state.charts, _chart),
            rx.cond(
                state.is_reading & (state.charts.length() == 0),
                rx.fragment(*(rx.el.div(class_name="panel sk", key=f"sk{n}") for n in range(4))),
                rx.fragment(),
            ),
            class_name="charts",
        ),
        class_name="history",
    )


def _range(choice: rx.Var) -> rx.Component:
    """One range; the URL keeps it."""
    return link(
        choice.word,
        to=choice.href,
        replace=True,
        class_name=rx.cond(choice.is_on, "on", ""),
        custom_attrs={"aria-current": rx.cond(choice.is_on, "true", "false")},
    )


def _chart(row: rx.Var) -> rx.Component:
    """One chart in a frame that keeps its height, or why there is nothing to draw."""
    state = SourceState
    chart = live_chart(
        data=row.data,
        patch=state.patches[row.key],
        series=[{"label": row.title, "kind": row.kind}],
        height=150,
        unit=row.unit,
        label=row.label,
        window_s=state.window_s,
        shown_to=state.shown_to,
        sync_key="source",
        live=False,
    )
    empty = rx.el.div(
        rx.el.p(row.note),
        rx.el.button("Read again", type="button", class_name="btn sm", on_click=SourceState.read_charts),
        class_name="no-chart",
    )
    return rx.el.div(
        rx.el.h3(row.title, rx.cond(row.unit != "", rx.el.small(row.unit), "")),
        rx.cond(row.note != "", empty, chart),
        class_name="panel chartbox",
        key=row.key,
    )
