"""The dialog before a cleanup and the panel after it."""

from typing import Any

import reflex as rx

from dashboard_app.console.components.dialog import actions, cancel_button, confirm
from dashboard_app.console.components.failed import failed
from dashboard_app.console.components.icons import icon, icon_of
from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.shell import link

STEP_ICONS = ("circle-dashed", "hourglass", "shield-check", "unplug")
RESULT_ICONS = ("circle-check", "triangle-alert")


def cleanup_dialog(
    plan: rx.Var,
    *,
    is_open: rx.Var[bool],
    is_stale: rx.Var[bool],
    is_busy: rx.Var[bool],
    error: rx.Var[str],
    on_close: Any,
    on_again: Any,
    on_confirm: Any,
) -> rx.Component:
    """What a dry run found, what would be done to whom, and the button that repeats the count."""
    return confirm(
        is_open,
        on_close,
        "Clean up the pool",
        rx.el.div(
            sentence(plan.found, "p"),
            rx.cond(plan.steps.length() > 0, rx.el.ul(rx.foreach(plan.steps, _step), class_name="vic"), rx.fragment()),
            rx.cond(plan.usage != "", _effect(plan), rx.fragment()),
            rx.cond(
                plan.confirm != "",
                rx.el.p(
                    "Every item is checked again before it is touched. Recorded in the audit log with your name. Cannot be undone.",
                    class_name="note",
                ),
                rx.fragment(),
            ),
            failed(error, is_panel=False),
            class_name="cleanup",
        ),
        rx.cond(plan.confirm != "", _choice(plan, is_stale, is_busy, on_again, on_confirm), actions(cancel_button("Close"))),
    )


def _choice(plan: rx.Var, is_stale: rx.Var[bool], is_busy: rx.Var[bool], on_again: Any, on_confirm: Any) -> rx.Component:
    """Cancel, look again, or do it. A dry run that is too old is done again first."""
    word = rx.cond(is_stale, "Dry run again first", plan.confirm)
    return actions(
        cancel_button(),
        rx.el.button(icon("refresh-cw", 14), "Dry run again", type="button", class_name="btn", on_click=on_again),
        rx.el.button(
            rx.cond(is_busy, "Working…", word),
            type="button",
            class_name=rx.cond(is_stale, "btn", "btn dsolid"),
            on_click=on_confirm,
            custom_attrs={"data-testid": "confirm-cleanup", "aria-busy": rx.cond(is_busy, "true", "false")},
        ),
    )


def _effect(plan: rx.Var) -> rx.Component:
    """Usage and level, before and after."""
    return rx.el.p(
        rx.el.span("Usage"),
        rx.el.b(plan.usage, class_name="num"),
        rx.cond(plan.level != "", rx.fragment(rx.el.span("Level"), rx.el.b(plan.level), rx.el.span("after 5\u00a0s")), rx.fragment()),
        class_name="eff",
    )


def _step(step: rx.Var) -> rx.Component:
    """One kind of thing that would be done, and to whom."""
    rest = rx.el.details(
        rx.el.summary(f"Show {step.more.length()} by number"),
        rx.el.ul(rx.foreach(step.more, rx.el.li)),
        class_name="more",
    )
    return rx.el.li(
        rx.el.span(icon_of(step.icon, STEP_ICONS, 15), class_name=f"tic t-{step.tone}"),
        rx.el.div(rx.el.b(step.title), rx.el.small(step.detail), rx.cond(step.more.length() > 0, rest, rx.fragment())),
        class_name=rx.cond(step.keep, "vr keep", "vr"),
    )


def cleanup_result(result: rx.Var, *, is_shown: rx.Var[bool], on_close: Any) -> rx.Component:
    """What was done; it stays until it is closed. The live region is always in the page, so that its text is announced."""
    panel = rx.el.div(
        rx.el.span(icon_of(result.icon, RESULT_ICONS, 17), class_name=f"tic t-{result.tone}"),
        rx.el.p(
            sentence(result.sentence),
            rx.cond(result.usage != "", rx.fragment(" Usage ", rx.el.b(result.usage, class_name="num"), "."), rx.fragment()),
            " ",
            link("Audit entry →", to="/audit?action=pool.cleanup", class_name="lnk"),
        ),
        rx.el.button(icon("x", 15), rx.el.span("Close the result", class_name="unseen"), type="button", class_name="ib", on_click=on_close),
        class_name=f"outcome panel t-{result.tone}",
        custom_attrs={"data-testid": "cleanup-result"},
    )
    return rx.el.div(rx.cond(is_shown, panel, rx.fragment()), role="status", class_name="outcomes")
