"""What a watched service has on its page: how its pool is and why, who holds it, and a cleanup. The parts are those of `/pool`."""

import reflex as rx

from dashboard_app.console.components.cleanup_dialog import cleanup_dialog, cleanup_result
from dashboard_app.console.components.every import every
from dashboard_app.console.components.failed import failed
from dashboard_app.console.components.gauge import facts, gauge
from dashboard_app.console.components.holders import call_sites_table, holders_table
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.refocus import refocus
from dashboard_app.console.pages.service_state import ServiceState

READ_EVERY_S = 3


def service_panel(source_number: rx.Var[int]) -> rx.Component:
    """The pool of the service `source_number`; an empty frame until its first reading."""
    state = ServiceState
    frame = rx.el.div(class_name="panel sk", custom_attrs={"aria-hidden": "true"})
    return rx.el.section(
        rx.cond(state.source_number == source_number, _panel(), frame),
        every(seconds=READ_EVERY_S, on_tick=ServiceState.read(source_number)),
        class_name="service",
        custom_attrs={"aria-label": "The service's pool", "data-testid": "service-pool"},
    )


def _panel() -> rx.Component:
    """Verdict and cleanup, result, figures, holders, and the dialog."""
    state = ServiceState
    return rx.fragment(
        _head(),
        failed(state.page_failure),
        cleanup_result(state.result, is_shown=state.has_result, on_close=state.close_result),
        rx.cond(
            state.has_status,
            rx.fragment(gauge(state.hero, state.reasons, state.measured_s, state.measured_stamp), facts(state.figures)),
            rx.fragment(),
        ),
        _holders(),
        rx.cond(state.call_sites.length() > 0, _call_sites(), rx.fragment()),
        cleanup_dialog(
            state.plan,
            is_open=state.is_dialog_open,
            is_stale=state.is_stale,
            is_busy=state.busy != "",
            error=state.failure,
            on_close=state.set_dialog,
            on_again=state.look,
            on_confirm=state.confirm,
        ),
        refocus(is_open=state.is_dialog_open),
    )


def _head() -> rx.Component:
    """How full, who fills it, and what can be done about it."""
    state = ServiceState
    is_looking = state.busy == "looking"
    clean_up = rx.el.button(
        icon("brush-cleaning", 15),
        rx.cond(is_looking, "Looking…", "Clean up…"),
        rx.cond(state.refused_cleanup != "", rx.el.span(". ", state.refused_cleanup, class_name="unseen"), ""),
        type="button",
        class_name="btn danger",
        disabled=state.refused_cleanup != "",
        title=state.refused_cleanup,
        on_click=state.look,
        custom_attrs={"data-testid": "force-cleanup", "aria-busy": rx.cond(is_looking, "true", "false")},
    )
    return rx.el.div(
        rx.el.div(
            sentence(state.verdict.title, "h2"),
            sentence(rx.cond(state.note != "", state.note, state.verdict.lede), "p", class_name="lede"),
            custom_attrs={"aria-live": "polite"},
        ),
        rx.el.div(clean_up, class_name="pa"),
        class_name="ph",
    )


def _holders() -> rx.Component:
    """Who holds connections of the service."""
    state = ServiceState
    nobody = rx.el.p("Nobody holds a connection.", class_name="empty-line")
    return rx.el.div(
        rx.el.div(
            rx.el.h2("Who holds connections"), rx.cond(state.holders_note == "", rx.el.small(state.holders_heading), ""), class_name="pt"
        ),
        rx.cond(
            state.holders_note != "",
            rx.el.p(state.holders_note, class_name="empty-line"),
            rx.cond(state.holder_rows.length() > 0, holders_table(state.holder_rows), nobody),
        ),
        class_name="panel",
    )


def _call_sites() -> rx.Component:
    """Where in the service's code connections were taken."""
    return rx.el.div(
        rx.el.div(rx.el.h2("Where checkouts come from"), rx.el.small("since the service started"), class_name="pt"),
        call_sites_table(ServiceState.call_sites),
        class_name="panel",
    )
