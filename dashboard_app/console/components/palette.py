"""The command palette and the list of keys: two native dialogs. `assets/js/keys.js` opens them and moves the choice."""

import reflex as rx
from reflex_components_core.react_router import ReactRouterLink

from dashboard_app.console.components.icons import STATE_ICONS, icon, icon_of
from dashboard_app.console.pages.palette_state import PaletteState
from dashboard_app.console.rows.palette import COMMAND_ICONS, LONGEST_TEXT, Hit

_RECENT: rx.Var[list[str]] = rx.Var("(window.spillwayRecent?.() ?? [])", _var_type=list[str])
"""What was chosen here before, kept by the browser."""
_KEYS = {
    "Anywhere": (
        ("Ctrl K", "search or run"),
        ("?", "this list"),
        ("g s", "sources"),
        ("g p", "pool"),
        ("g b", "breakers"),
        ("g j", "jobs"),
        ("g e", "events"),
        ("g a", "alerts"),
        ("g u", "audit"),
        ("g t", "settings"),
        ("g d", "drill"),
        ("g w", "wall"),
        ("Esc", "close"),
    ),
    "List of sources": (
        ("/", "filter"),
        ("↓ j", "next row"),
        ("↑ k", "row before"),
        ("Enter", "open"),
        (".", "actions of the row"),
        ("r", "refresh now"),
        ("o", "sort again"),
        ("[ ]", "turn the page"),
    ),
    "Events": (("Space", "pause, resume"),),
}


def palette_button() -> rx.Component:
    """Opens the palette from the header of every page."""
    return rx.el.button(
        icon("search"),
        rx.el.span("Search or run"),
        rx.el.kbd("Ctrl K"),
        type="button",
        class_name="kbtn",
        title="Search or run: Ctrl K, ⌘ K on a Mac",
        on_click=PaletteState.show(_RECENT),
        custom_attrs={"data-opens": "palette", "data-testid": "palette-open", "data-ready": rx.State.is_hydrated},
    )


def palette() -> rx.Component:
    """Sources by name, host or tag, pages, and the actions of the role."""
    return rx.el.dialog(
        rx.el.label(
            icon("search", 16),
            rx.el.span("Search or run", class_name="unseen"),
            rx.el.input(
                placeholder="Source, host, tag, page or action",
                on_change=PaletteState.find.debounce(60),
                role="combobox",
                max_length=LONGEST_TEXT,
                auto_complete="off",
                spell_check=False,
                custom_attrs={"aria-expanded": "true", "aria-controls": "palette-hits", "aria-autocomplete": "list"},
            ),
            rx.el.kbd("Esc"),
            class_name="pq",
        ),
        rx.el.div(
            rx.foreach(PaletteState.hits, lambda hit: rx.fragment(_hit(hit), key=hit.id)),
            id="palette-hits",
            role="listbox",
            class_name="phits",
            custom_attrs={"aria-label": "Found", "data-for": PaletteState.found_for},
        ),
        rx.cond(
            (PaletteState.hits.length() == 0) & (PaletteState.found_for != ""),
            rx.el.p("Nothing fits '", PaletteState.found_for, "'.", class_name="pnone"),
            rx.fragment(),
        ),
        rx.el.button(id="palette-again", type="button", hidden=True, tab_index=-1, on_click=PaletteState.again),
        rx.el.button(id="palette-refresh", type="button", hidden=True, tab_index=-1, on_click=PaletteState.refresh),
        id="palette",
        class_name="native pal",
        custom_attrs={"aria-label": "Search or run", "data-testid": "palette"},
    )


def _hit(hit: rx.Var[Hit]) -> rx.Component:
    """One line: a link when it leads somewhere, else something that is pressed."""
    content = (
        rx.el.span(icon_of(hit.icon, (*STATE_ICONS, *COMMAND_ICONS), 15), class_name=f"tic t-{hit.tone}"),
        rx.el.b(hit.name),
        rx.el.small(hit.note),
        rx.el.span(hit.figure, class_name="num"),
    )
    attributes = {"data-hit": hit.id, "data-press": hit.press}
    return rx.cond(
        hit.href != "",
        ReactRouterLink.create(*content, to=hit.href, role="option", tab_index=-1, class_name="phit", custom_attrs=attributes),
        rx.el.div(*content, role="option", tab_index=-1, class_name="phit", custom_attrs=attributes),
    )


def key_list() -> rx.Component:
    """Every key there is, and where to switch the single ones off."""
    return rx.el.dialog(
        rx.el.h2("Keyboard shortcuts", id="keys-title"),
        rx.el.div(*(_key_group(title, keys) for title, keys in _KEYS.items()), class_name="klist"),
        rx.el.p("Single keys are off inside fields. The menu under your name switches them off everywhere.", class_name="note"),
        rx.el.form(rx.el.button("Close", type="submit", class_name="btn"), class_name="da", custom_attrs={"method": "dialog"}),
        id="keys",
        class_name="native keys",
        custom_attrs={"aria-labelledby": "keys-title", "data-testid": "keys"},
    )


def _key_group(title: str, keys: tuple[tuple[str, str], ...]) -> rx.Component:
    """Some keys and what they do, under a title."""
    lines = (rx.el.div(rx.el.dt(*(rx.el.kbd(key) for key in pressed.split())), rx.el.dd(what)) for pressed, what in keys)
    return rx.el.div(rx.el.h3(title), rx.el.dl(*lines))
