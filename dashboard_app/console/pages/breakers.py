"""`/breakers`: what is being refused, by which breaker, until when; the queue and the loader's round beside it."""

import reflex as rx

from dashboard_app.console.components.dialog import actions, cancel_button, confirm
from dashboard_app.console.components.every import every
from dashboard_app.console.components.failed import failed
from dashboard_app.console.components.fields import choice, field
from dashboard_app.console.components.gauge import facts
from dashboard_app.console.components.icons import BREAKER_ICONS, icon, icon_of
from dashboard_app.console.components.live import age, places, sentence, strip
from dashboard_app.console.components.refocus import refocus
from dashboard_app.console.components.shell import shell
from dashboard_app.console.pages.breakers_state import LASTS, BreakersState
from dashboard_app.console.pages.shell_state import ShellState
from dashboard_app.console.rows.breakers import KEPT_SHOWN

READ_EVERY_S = 1
_ACTS = (("forced_open", "Hold open…"), ("closed", "Close…"), ("metrics_only", "Watch only…"), ("disabled", "Switch off…"))
_WORDS = ["succeeded", "slow", "failed", "rejected"]


def page() -> rx.Component:
    """The whole page."""
    state = BreakersState
    return shell(
        "breakers",
        rx.el.section(
            rx.el.div(
                rx.el.div(sentence(state.title, "h1"), sentence(state.lede, "p", class_name="lede"), custom_attrs={"aria-live": "polite"}),
                class_name="ph",
            ),
            rx.el.div(rx.foreach(state.cards, _card), class_name="brs"),
            _queue(),
            _round(),
            class_name="page",
        ),
        _dialog(),
        refocus(is_open=state.is_dialog_open),
        every(seconds=READ_EVERY_S, on_tick=state.read),
    )


def _card(card: rx.Var) -> rx.Component:
    """One breaker."""
    return rx.el.section(
        rx.el.div(
            rx.el.h2(card.name, class_name="mono"),
            rx.el.span(icon_of(card.icon, BREAKER_ICONS, 14), card.word, class_name=f"badge t-{card.tone}"),
            rx.el.small(card.purpose),
            _menu(card),
            class_name="pt",
        ),
        rx.el.div(
            rx.el.p(
                sentence(card.sentence),
                rx.cond(
                    card.counts,
                    age(seconds=card.trial_s, stamp=card.stamp, mode="next", template="; next trial {}", class_name="plain num"),
                    "",
                ),
                class_name="br-sentence",
            ),
            _failures(card),
            rx.cond(card.has_calls, _calls(card), rx.el.p("No calls yet: counts start with the first.", class_name="br-none")),
            rx.cond(card.moves.length() > 0, _moves(card), rx.fragment()),
            class_name="br-body",
        ),
        class_name=f"panel br t-{card.tone}",
        key=card.name,
        custom_attrs={"data-testid": "breaker-card", "data-breaker": card.name, "data-state": card.state},
    )


def _menu(card: rx.Var) -> rx.Component:
    """What an admin can do; nobody else sees it. The hidden buttons are what the palette presses."""
    menu = rx.dropdown_menu.root(
        rx.dropdown_menu.trigger(
            rx.el.button(
                icon("ellipsis", 16),
                rx.el.span("Actions for ", card.name, class_name="unseen"),
                type="button",
                class_name="ib",
                custom_attrs={"data-testid": "breaker-menu"},
            )
        ),
        rx.dropdown_menu.content(
            *(rx.dropdown_menu.item(word, on_select=BreakersState.ask(card.name, state)) for state, word in _ACTS), align="end"
        ),
    )
    pressed = (
        rx.el.button(
            word,
            type="button",
            hidden=True,
            tab_index=-1,
            on_click=BreakersState.ask(card.name, state),
            custom_attrs={"data-act": state, "data-breaker": card.name},
        )
        for state, word in _ACTS
    )
    return rx.cond(ShellState.may_administer, rx.fragment(menu, *pressed), rx.fragment())


def _failures(card: rx.Var) -> rx.Component:
    """How near it is to opening."""
    return rx.el.div(
        rx.el.span("Failures in a row", class_name="br-label"),
        rx.el.span(
            rx.el.span(style={"width": f"{card.failed_percent}%"}),
            class_name="br-bar",
            role="img",
            custom_attrs={"aria-label": f"{card.failures} failures in a row"},
        ),
        rx.el.b(card.failures, class_name="num"),
        rx.cond(card.rate != "", rx.el.small(card.rate, class_name="num"), ""),
        class_name="br-fail",
    )


def _calls(card: rx.Var) -> rx.Component:
    """Calls by outcome, and the last of them in order."""
    return rx.fragment(
        rx.el.table(
            rx.el.thead(
                rx.el.tr(
                    rx.el.th("Calls", custom_attrs={"scope": "col"}),
                    rx.el.th("15\u00a0min", custom_attrs={"scope": "col"}, class_name="num"),
                    rx.el.th("since the start", custom_attrs={"scope": "col"}, class_name="num"),
                )
            ),
            rx.el.tbody(rx.foreach(card.calls, _call)),
            class_name="br-calls",
        ),
        rx.el.div(
            strip(recent=card.strip, places=KEPT_SHOWN, noun="calls", words=_WORDS),
            rx.el.small("the last calls, newest right: ", *_legend()),
            class_name="br-strip",
        ),
    )


def _legend() -> tuple[rx.Component, ...]:
    """What the bars of the strip mean, by their height and colour."""
    return tuple(
        rx.el.span(rx.el.i(class_name=f"lg lg-{letter}", custom_attrs={"aria-hidden": "true"}), word, class_name="br-key")
        for letter, word in zip("owbu", _WORDS, strict=True)
    )


def _call(row: rx.Var) -> rx.Component:
    """One outcome."""
    return rx.el.tr(
        rx.el.th(rx.el.i(class_name=f"br-sw t-{row.tone}", custom_attrs={"aria-hidden": "true"}), row.word, custom_attrs={"scope": "row"}),
        rx.el.td(row.recent, class_name="num"),
        rx.el.td(row.total, class_name="num dim"),
    )


def _moves(card: rx.Var) -> rx.Component:
    """The last transitions, newest first."""
    return rx.el.div(
        rx.el.h3("Last changes"),
        rx.el.ol(rx.foreach(card.moves, lambda move: rx.el.li(sentence(move.at, class_name="num"), sentence(move.text), key=move.id))),
        class_name="br-moves",
    )


def _queue() -> rx.Component:
    """The queue, live."""
    return rx.el.section(
        rx.el.div(rx.el.h2("Request queue"), rx.el.small("every request of this console waits here for its turn"), class_name="pt"),
        facts(BreakersState.queue),
        class_name="panel queue-figures",
        custom_attrs={"data-testid": "queue-panel"},
    )


def _round() -> rx.Component:
    """Which source is where in the round."""
    keys = (("d", "done"), ("r", "asked now"), ("w", "waiting"), ("s", "slow lane"), ("f", "failed"))
    return rx.el.section(
        rx.el.div(rx.el.h2("Loader's round"), rx.el.small(BreakersState.round_told), class_name="pt"),
        rx.el.div(
            rx.el.div(rx.foreach(BreakersState.lanes, _lane), class_name="br-lanes"),
            rx.el.p(
                *(
                    rx.el.span(rx.el.i(class_name=f"pk pk-{letter}", custom_attrs={"aria-hidden": "true"}), word, class_name="br-key")
                    for letter, word in keys
                ),
                class_name="br-keys",
            ),
            class_name="br-body",
        ),
        class_name="panel",
        custom_attrs={"data-testid": "round-panel"},
    )


def _lane(lane: rx.Var) -> rx.Component:
    """One lane: its squares, and who is asked now."""
    return rx.el.div(
        rx.el.h3(lane.name),
        places(places=lane.places),
        rx.el.p(lane.told, class_name="num"),
        rx.el.p(rx.cond(lane.reason != "", rx.fragment(rx.el.b(lane.reason), " · "), ""), lane.asked, class_name="dim"),
        class_name="br-lane",
        key=lane.name,
    )


def _dialog() -> rx.Component:
    """One dialog for every act: what it does, why, how long, and, where it stops everything, the name."""
    state, shown = BreakersState, BreakersState.dialog
    lasts = choice("until", "Until", list(LASTS.items()), rx.Var.create(""), hint="Then it closes by itself.")
    typed = field("typed", rx.fragment("Type ", rx.el.b(shown.typed), " to go on"), state.typed_error)
    return confirm(
        state.is_dialog_open,
        state.set_dialog,
        sentence(shown.title),
        rx.el.form(
            sentence(shown.effect, "p", class_name="br-effect"),
            field("reason", "Reason", state.reason_error, hint="Kept with your name, in the banner and in the audit log.", max_length=500),
            rx.cond(shown.lasts, lasts, rx.fragment()),
            rx.cond(shown.typed != "", typed, rx.fragment()),
            failed(state.failure, is_panel=False),
            actions(
                cancel_button(),
                rx.el.button(
                    rx.cond(state.is_busy, "Working…", shown.confirm),
                    type="submit",
                    class_name=rx.cond(shown.state == "closed", "btn primary", "btn dsolid"),
                    custom_attrs={"data-testid": "confirm-breaker", "aria-busy": rx.cond(state.is_busy, "true", "false")},
                ),
            ),
            on_submit=state.act,
            class_name="br-form",
        ),
    )
