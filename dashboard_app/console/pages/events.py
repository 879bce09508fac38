"""`/events`: what happened just now, and does the stream flow?"""

import reflex as rx

from dashboard_app.console import words
from dashboard_app.console.components.event_list import event_list
from dashboard_app.console.components.every import every
from dashboard_app.console.components.failed import failed
from dashboard_app.console.components.icons import icon
from dashboard_app.console.components.live import age, sentence
from dashboard_app.console.components.shell import link, shell
from dashboard_app.console.pages.events_state import EventsState
from dashboard_app.console.rows.events import TypeChoice
from dashboard_app.console.rows.jobs import Fact

READ_EVERY_S = 3


def page() -> rx.Component:
    """The whole page."""
    state = EventsState
    return shell(
        "events",
        rx.el.section(
            rx.el.div(
                rx.el.div(
                    sentence(rx.cond(state.is_loading, "Reading events…", state.verdict.title), "h1", custom_attrs={"aria-live": "polite"}),
                    rx.cond(
                        state.verdict.lede != "",
                        rx.el.p(state.verdict.lede, class_name=f"lede jnote t-{state.verdict.tone}"),
                        rx.fragment(),
                    ),
                ),
                class_name="ph",
            ),
            failed(state.failure),
            _figures(),
            _filters(),
            event_list(
                first=state.first,
                tail=state.tail,
                opened=state.opened,
                opens=state.may_open,
                nothing=state.nothing,
                filtered=state.is_filtered,
                is_loading=state.is_loading,
                on_open=state.open_row,
                on_close=state.close_row,
                on_again=state.again,
            ),
            class_name="page",
        ),
        every(seconds=READ_EVERY_S, on_tick=state.read),
    )


def _figures() -> rx.Component:
    """The publisher in numbers, and how old the last event is."""
    state = EventsState
    return rx.el.div(
        rx.foreach(state.facts, _fact),
        rx.el.div(
            rx.el.small("Last event"),
            rx.el.b(
                rx.cond(state.newest != "", age(seconds=state.newest_age_s, stamp=state.newest, mode="ago"), words.UNKNOWN),
                class_name="num",
            ),
            rx.el.small(rx.cond(state.newest != "", "of this server", "none yet")),
        ),
        class_name="panel jfacts",
    )


def _fact(fact: rx.Var[Fact]) -> rx.Component:
    """One figure."""
    return rx.el.div(rx.el.small(fact.label), rx.el.b(fact.value, class_name=f"num t-{fact.tone}"), rx.el.small(fact.note), key=fact.label)


def _filters() -> rx.Component:
    """Text and type; the URL is the memory."""
    state = EventsState
    chosen = rx.foreach(state.types, lambda choice: rx.cond(choice.is_on, choice.word, ""))
    return rx.el.div(
        rx.el.label(
            icon("search"),
            rx.el.span("Filter events", class_name="unseen"),
            rx.el.input(
                placeholder="Filter events",
                default_value=state.search,
                key=state.search_turn.to_string(),
                on_change=state.search_for.debounce(200),
                auto_complete="off",
                spell_check=False,
                max_length=100,
                custom_attrs={"data-key": "/"},
            ),
            rx.el.kbd("/"),
            class_name="fld",
        ),
        rx.dropdown_menu.root(
            rx.dropdown_menu.trigger(
                rx.el.button(
                    rx.el.span("Type: ", chosen),
                    icon("chevron-down", 14),
                    type="button",
                    class_name="btn sel",
                    disabled=~rx.State.is_hydrated,
                )
            ),
            rx.dropdown_menu.content(rx.foreach(state.types, _type), class_name="menu-list"),
        ),
        rx.cond(state.is_filtered, link("Clear filters", to="/events", class_name="btn ghost"), rx.fragment()),
        class_name="filters steady",
    )


def _type(choice: rx.Var[TypeChoice]) -> rx.Component:
    """One type of the menu."""
    return rx.dropdown_menu.item(
        link(choice.word, to=choice.href, replace=True, custom_attrs={"aria-current": rx.cond(choice.is_on, "true", "false")}),
        as_child=True,
    )
