"""One source of the list: the same elements make a table row and, on a narrow screen, a card. With the menu of what can be done to it."""

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.live import age, sentence, strip
from dashboard_app.console.components.shell import link
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.pages.source_actions import SourceActions
from dashboard_app.console.pages.source_form import SourceForm
from dashboard_app.console.rows.sources import SourceRow
from dashboard_app.console.theme import KIND_ICON, STATUS
from dashboard_app.model.source import OWN_SOURCE_ID


@rx.memo
def source_card(row: rx.Var[SourceRow]) -> rx.Component:
    """One source: state, name, why, strip, latency, connections, age, actions. The same elements make a table row and a card."""
    return rx.el.div(
        rx.el.div(_state(row), role="cell", class_name="c-state"),
        rx.el.div(
            rx.el.span(
                rx.match(row.kind, *((kind.value, icon(name, 16)) for kind, name in KIND_ICON.items()), icon("box", 16)),
                class_name="kind",
                role="img",
                title=row.kind,
                custom_attrs={"aria-label": row.kind},
            ),
            rx.el.span(
                link(row.name, to=f"/sources/{row.id}", title=row.name, custom_attrs={"data-row-link": ""}),
                rx.el.small(row.address, title=row.address),
                class_name="nm",
            ),
            role="cell",
            class_name="c-name",
        ),
        rx.el.div(sentence(row.why, class_name=rx.cond(row.is_quiet, "quiet", "")), role="cell", class_name="c-why"),
        rx.el.div(strip(recent=row.recent), role="cell", class_name="c-hist"),
        rx.el.div(
            rx.cond(row.unit != "", rx.fragment(rx.el.b(row.latency), rx.el.i(row.unit)), rx.el.span(words.UNKNOWN, class_name="dim")),
            role="cell",
            class_name="c-lat num",
        ),
        rx.el.div(
            rx.cond(
                row.limit != "",
                rx.fragment(
                    rx.el.span(rx.el.span(class_name=f"bar b-{row.fill_tone}", style={"width": f"{row.fill}%"}), class_name="mini"),
                    rx.el.span(rx.el.b(row.used), rx.el.i("/ ", row.limit), class_name="num"),
                ),
                rx.el.span(words.UNKNOWN, class_name="dim"),
            ),
            role="cell",
            class_name="c-conn",
        ),
        rx.el.div(
            age(seconds=row.age_s, stamp=row.stamp, late=row.late_s, mode="ago"),
            rx.el.small(
                rx.cond(
                    row.is_enabled & ~ShellState.is_fallback,
                    rx.cond(row.next_s, age(seconds=row.next_s, stamp=row.stamp, mode="next", template="next {}"), ""),
                    "paused",
                )
            ),
            role="cell",
            class_name="c-age num",
        ),
        rx.el.div(_row_menu(row), role="cell", class_name="c-act"),
        class_name=f"row t-{row.tone} " + rx.cond(row.is_fresh, "fresh", ""),
        role="row",
        custom_attrs={"data-testid": "source-card", "data-source-id": row.id.to_string(), "data-status": row.status},
    )


def _state(row: rx.Var[SourceRow]) -> rx.Component:
    """The state's badge; its icon follows from the tone."""
    icons = ((look.tone, icon(look.icon, 14)) for look in STATUS.values())
    return rx.el.span(rx.match(row.tone, *icons, rx.fragment()), row.word, class_name=f"badge t-{row.tone}")


def _row_menu(row: rx.Var[SourceRow]) -> rx.Component:
    """What can be done to one source; what the role does not allow is shown and off."""
    no_write = ~ShellState.may_administer | ShellState.is_fallback
    return rx.dropdown_menu.root(
        rx.dropdown_menu.trigger(
            rx.el.button(
                icon("ellipsis", 16),
                rx.el.span("Actions for ", row.name, class_name="unseen"),
                type="button",
                class_name="ib",
                custom_attrs={"data-row-menu": ""},
            )
        ),
        rx.dropdown_menu.content(
            rx.dropdown_menu.item(link("Open", to=f"/sources/{row.id}"), as_child=True),
            rx.dropdown_menu.item(
                "Check now", disabled=~ShellState.may_operate | ShellState.is_fallback, on_select=SourceActions.check_now(row.id)
            ),
            rx.cond(
                row.is_enabled,
                rx.dropdown_menu.item("Pause", disabled=no_write, on_select=SourceActions.pause(row.id)),
                rx.dropdown_menu.item("Enable", disabled=no_write, on_select=SourceActions.enable(row.id)),
            ),
            rx.dropdown_menu.item("Edit…", disabled=no_write, on_select=SourceForm.edit(row.id)),
            rx.dropdown_menu.separator(),
            rx.dropdown_menu.item(
                rx.cond(row.id == OWN_SOURCE_ID, "Delete… (built in)", "Delete…"),
                color_scheme="red",
                disabled=no_write | (row.id == OWN_SOURCE_ID),
                on_select=SourceForm.ask_delete(row.id),
            ),
            rx.cond(ShellState.may_administer, rx.fragment(), rx.dropdown_menu.item("Changes need the admin role", disabled=True)),
            align="end",
        ),
    )
