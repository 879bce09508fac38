"""`/jobs`: are updates being lost, stuck or late?"""

import reflex as rx

from dashboard_app.console.components.chart import live_chart
from dashboard_app.console.components.dialog import actions, cancel_button, confirm
from dashboard_app.console.components.every import every
from dashboard_app.console.components.failed import failed
from dashboard_app.console.components.fields import submit
from dashboard_app.console.components.icons import icon, icon_of
from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.refocus import refocus
from dashboard_app.console.components.shell import link, shell
from dashboard_app.console.pages.jobs_state import JobsState
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows.jobs import JOB_ICONS, Fact, JobChart, JobRow, LetterRow, StatusChoice
from dashboard_app.console.words import UNKNOWN

READ_EVERY_S = 3


def page() -> rx.Component:
    """The whole page."""
    state = JobsState
    return shell(
        "jobs",
        rx.cond(state.is_offered, _page(), _not_offered()),
        _question(),
        refocus(is_open=state.is_asking),
        every(seconds=READ_EVERY_S, stamp=state.news, on_tick=state.read),
    )


def _not_offered() -> rx.Component:
    """The server this console reads from has no jobs."""
    return rx.el.section(
        icon("list-checks", 22),
        rx.el.h1("This server does not offer jobs."),
        rx.el.p("They need a Spillway whose API has the calls about jobs.", class_name="lede"),
        class_name="panel empty",
    )


def _page() -> rx.Component:
    """Verdict, figures, list, dead letters."""
    state = JobsState
    return rx.el.section(
        _head(),
        rx.el.p(state.result, role="status", class_name="told-line"),
        failed(state.failure),
        rx.el.div(rx.foreach(state.facts, _fact), class_name="panel jfacts"),
        rx.cond(state.charts.length() > 0, rx.el.div(rx.foreach(state.charts, _chart), class_name="jcharts"), rx.fragment()),
        rx.cond(state.letters.length() > 0, _letters(), rx.fragment()),
        _filters(),
        _list(),
        class_name="page",
    )


def _head() -> rx.Component:
    """The verdict and its sum."""
    state = JobsState
    return rx.el.div(
        rx.el.div(
            rx.el.h1(state.ledger.title, custom_attrs={"aria-live": "polite"}),
            rx.el.p(
                rx.el.span(state.ledger.sums, class_name="num"),
                rx.cond(
                    state.ledger.sums != "",
                    rx.cond(
                        state.ledger.adds_up,
                        rx.el.span(icon("check", 14), "adds up", class_name="jsum t-ok"),
                        rx.el.span(icon("octagon-x", 14), "does not add up", class_name="jsum t-bad"),
                    ),
                    rx.fragment(),
                ),
                class_name="lede",
            ),
            rx.cond(state.ledger.note != "", rx.el.p(state.ledger.note, class_name=f"jnote t-{state.ledger.tone}"), rx.fragment()),
        ),
        rx.el.div(
            rx.el.button(
                icon("arrow-down-to-line", 15),
                rx.cond(state.is_busy, "Working…", "Flush now"),
                type="button",
                class_name="btn",
                disabled=~ShellState.may_operate | ShellState.is_fallback | state.is_busy,
                title=rx.cond(
                    ~ShellState.may_operate,
                    "Needs the operator role; you are signed in as " + ShellState.user_role,
                    rx.cond(ShellState.is_fallback, "Not while the server is away", "Write what waits, at once"),
                ),
                on_click=state.flush,
                custom_attrs={"data-testid": "jobs-flush"},
            ),
            class_name="pa",
        ),
        class_name="ph",
    )


def _fact(fact: rx.Var[Fact]) -> rx.Component:
    """One figure."""
    return rx.el.div(rx.el.small(fact.label), rx.el.b(fact.value, class_name=f"num t-{fact.tone}"), rx.el.small(fact.note), key=fact.label)


def _chart(row: rx.Var[JobChart]) -> rx.Component:
    """One chart of the last ten minutes, or why there is nothing to draw."""
    chart = live_chart(
        data=row.data,
        series=[{"label": row.title, "kind": "step"}],
        height=110,
        unit=row.unit,
        label=row.label,
        sync_key="jobs",
        live=False,
    )
    return rx.el.div(
        rx.el.h3(row.title, rx.cond(row.unit != "", rx.el.small(row.unit), "")),
        rx.cond(row.note != "", rx.el.p(row.note, class_name="no-chart"), chart),
        class_name="panel chartbox",
        key=row.key,
    )


def _filters() -> rx.Component:
    """Status and kind; the URL is the memory."""
    state = JobsState
    return rx.el.form(
        rx.el.nav(rx.foreach(state.statuses, _status), class_name="seg", custom_attrs={"aria-label": "Status"}),
        rx.cond(state.is_estimate, rx.el.small("counts are estimates", class_name="dim"), rx.fragment()),
        rx.el.label(
            rx.el.span("Kind"),
            rx.el.input(
                name="kind",
                placeholder="thumbnail",
                default_value=state.kind,
                max_length=200,
                custom_attrs={"data-key": "/"},
                key=state.kind,
            ),
            class_name="fld",
        ),
        submit("Filter", "btn"),
        on_submit=JobsState.filter_by,
        class_name="filters",
        role="search",
    )


def _status(choice: rx.Var[StatusChoice]) -> rx.Component:
    """One status to filter by."""
    return link(
        rx.cond(choice.icon != "", rx.el.span(icon_of(choice.icon, JOB_ICONS, 13), class_name=f"tic t-{choice.tone}"), rx.fragment()),
        rx.el.span(choice.word),
        rx.el.b(choice.count, class_name="num"),
        to=choice.href,
        class_name=rx.cond(choice.is_on, "on", ""),
        custom_attrs={"aria-current": rx.cond(choice.is_on, "true", "false")},
    )


def _list() -> rx.Component:
    """The jobs, newest first."""
    state = JobsState
    first = rx.el.div(
        rx.el.p(state.nothing),
        rx.cond(state.nothing == "No jobs yet.", rx.el.p(rx.el.code("POST /api/v1/jobs"), " adds some."), rx.fragment()),
        class_name="empty-line",
    )
    return rx.el.div(
        rx.el.div(
            *(
                rx.el.span(word, class_name="num" if word in ("Updated", "Took") else "")
                for word in ("Id", "Kind", "Status", "Updated", "Took", "Error")
            ),
            class_name="jrow jhead",
        ),
        rx.el.ul(rx.foreach(state.jobs, _job), class_name="alist"),
        rx.cond(state.is_loading, rx.el.p("Reading jobs…", class_name="empty-line"), rx.fragment()),
        rx.cond(state.nothing != "", first, rx.fragment()),
        rx.el.div(
            rx.cond(state.newest != "", link("Newest", to=state.newest, class_name="btn sm"), rx.fragment()),
            rx.cond(state.older != "", link("Older", to=state.older, class_name="btn sm", custom_attrs={"data-key": "]"}), rx.fragment()),
            class_name="foot end",
        ),
        class_name="panel audit",
    )


def _job(row: rx.Var[JobRow]) -> rx.Component:
    """One job; it opens to its payload and its whole error."""
    return rx.el.li(
        rx.el.details(
            rx.el.summary(
                rx.el.span(row.id.to_string(), class_name="num mono j-id"),
                rx.el.b(row.kind, class_name="cut j-kind", title=row.kind),
                rx.el.span(
                    rx.el.span(
                        icon_of(row.icon, JOB_ICONS, 14),
                        row.word,
                        class_name=rx.cond(row.tone == "bad", "badge t-bad", f"jst t-{row.tone}"),
                    ),
                    class_name="j-status",
                ),
                sentence(row.updated, class_name="num j-at"),
                rx.el.span(row.took, class_name=rx.cond(row.took == UNKNOWN, "num j-took none", "num j-took")),
                rx.el.span(row.error, class_name="cut j-error"),
                class_name="jrow",
            ),
            rx.el.dl(
                rx.el.div(rx.el.dt("payload"), rx.el.dd(row.payload, class_name="mono")),
                rx.cond(row.error != "", rx.el.div(rx.el.dt("error"), rx.el.dd(row.error)), rx.fragment()),
                class_name="adetails",
            ),
        ),
        key=row.id,
        custom_attrs={"data-job-id": row.id.to_string()},
    )


def _letters() -> rx.Component:
    """Updates that the database refused."""
    state = JobsState
    return rx.el.section(
        rx.el.div(rx.el.h2("Dead letters"), rx.el.small("updates that the database refused; the newest first"), class_name="pt"),
        rx.el.ul(rx.foreach(state.letters, _letter), class_name="jletters"),
        class_name="panel",
    )


def _letter(row: rx.Var[LetterRow]) -> rx.Component:
    """One dead letter."""
    return rx.el.li(
        rx.el.span(
            rx.el.b("Job ", row.job, class_name="num"), " to ", row.word, rx.cond(row.error != "", rx.fragment(": ", row.error), "")
        ),
        rx.el.span(row.reason),
        sentence(row.at, class_name="num dim"),
        rx.el.span(
            rx.el.button("Retry", type="button", class_name="btn sm", disabled=JobsState.is_busy, on_click=JobsState.retry(row.id)),
            rx.el.button("Delete", type="button", class_name="btn sm", disabled=JobsState.is_busy, on_click=JobsState.ask_discard(row.id)),
            class_name="jacts",
        ),
        key=row.id,
        custom_attrs={"data-letter-id": row.id},
    )


def _question() -> rx.Component:
    """Before a dead letter is deleted."""
    state = JobsState
    return confirm(
        state.is_asking,
        state.set_asking,
        "Delete this update for job " + state.asking.job + "?",
        rx.el.p("It was never written: ", state.asking.reason, "."),
        actions(cancel_button(), rx.el.button("Delete", type="button", class_name="btn dsolid", on_click=state.discard)),
    )
