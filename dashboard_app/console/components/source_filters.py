"""What the list of sources can be narrowed to and ordered by."""

import reflex as rx

from dashboard_app.console.components.icons import STATE_ICONS, icon, icon_of
from dashboard_app.console.components.shell import link
from dashboard_app.console.pages.sources_state import SourcesState
from dashboard_app.console.rows.listing import Choice


def source_filters() -> rx.Component:
    """Text, state, kind, environment, tag and order; each is a link, so the URL is the whole memory."""
    return rx.el.div(
        rx.el.label(
            icon("search"),
            rx.el.span("Filter sources", class_name="unseen"),
            rx.el.input(
                placeholder="Filter sources",
                default_value=SourcesState.search,
                key=SourcesState.search_turn.to_string(),
                on_change=SourcesState.search_for.debounce(200),
                auto_complete="off",
                spell_check=False,
                custom_attrs={"data-key": "/"},
            ),
            rx.el.kbd("/"),
            class_name="fld",
        ),
        rx.el.nav(rx.foreach(SourcesState.states, _segment), class_name="seg", custom_attrs={"aria-label": "State"}),
        _picker("Kind", SourcesState.kinds),
        _picker("Env", SourcesState.environments),
        _picker("Tag", SourcesState.tags),
        rx.el.span(class_name="sp"),
        link(
            icon("arrow-up-down", 14),
            SourcesState.sort.word,
            to=SourcesState.sort.href,
            class_name="btn ghost sel",
            title="Change the order",
        ),
        class_name="filters steady",
    )


def _segment(choice: rx.Var[Choice], place: rx.Var[int]) -> rx.Component:
    """One state to filter by, with how many there are."""
    return link(
        rx.cond(choice.icon != "", rx.el.span(icon_of(choice.icon, STATE_ICONS, 13), class_name=f"tic t-{choice.tone}"), rx.fragment()),
        rx.el.span(choice.word),
        rx.el.b(SourcesState.state_counts[place], class_name="num"),
        to=choice.href,
        replace=True,
        class_name=rx.cond(choice.is_on, "on", ""),
        custom_attrs={"aria-current": rx.cond(choice.is_on, "true", "false")},
    )


def _picker(label: str, choices: rx.Var[list[Choice]]) -> rx.Component:
    """A menu of links; there only when there is something to choose between."""
    chosen = rx.foreach(choices, lambda choice: rx.cond(choice.is_on, choice.word, ""))
    return rx.cond(
        choices.length() > 2,  # noqa: PLR2004 - "any" and one more are no choice
        rx.dropdown_menu.root(
            rx.dropdown_menu.trigger(
                rx.el.button(rx.el.span(f"{label}: ", chosen), icon("chevron-down", 14), type="button", class_name="btn sel")
            ),
            rx.dropdown_menu.content(rx.foreach(choices, _option), class_name="menu-list"),
        ),
        rx.fragment(),
    )


def _option(choice: rx.Var[Choice]) -> rx.Component:
    """One link of a menu."""
    return rx.dropdown_menu.item(
        link(choice.word, to=choice.href, replace=True, custom_attrs={"aria-current": rx.cond(choice.is_on, "true", "false")}),
        as_child=True,
    )
