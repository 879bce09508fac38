"""The pool's big figure: number, verdict, bar with overflow and peak, reasons, and the strip of seven facts."""

import reflex as rx

from dashboard_app.console.components.badge import badge
from dashboard_app.console.components.icons import icon_of
from dashboard_app.console.components.live import age, sentence

REASON_ICONS = ("gauge", "hourglass", "trending-up", "unplug", "users")


def gauge(hero: rx.Var, reasons: rx.Var, age_s: rx.Var[float], stamp: rx.Var[str]) -> rx.Component:
    """The panel on the left of `/pool`."""
    return rx.el.div(
        rx.el.div(
            rx.el.div(rx.el.span(hero.figure, class_name="num"), rx.el.i("%"), class_name="bign"),
            rx.el.div(
                badge(hero.word, hero.tone, hero.icon),
                rx.el.small(
                    "of the pool in use", rx.el.br(), age(seconds=age_s, stamp=stamp, late=5.0, mode="ago", template="measured {}")
                ),
                class_name="bigs",
            ),
            class_name="big",
        ),
        _bar(hero),
        rx.el.ul(rx.foreach(reasons, _reason), class_name="why"),
        class_name="panel pv",
    )


def _bar(hero: rx.Var) -> rx.Component:
    """0 to capacity: the pool, its overflow hatched, the end of the pool and the peak marked."""
    peak = rx.el.span(hero.peak_mark, style={"left": f"min({hero.peak_mark_percent}%, calc(100% - 24px))"})
    return rx.el.div(
        rx.el.div(
            rx.el.span(class_name=f"cb b-{hero.bar}", style={"width": f"{hero.in_pool_percent}%"}),
            rx.el.span(class_name=f"co o-{hero.bar}", style={"left": f"{hero.in_pool_percent}%", "width": f"{hero.overflow_percent}%"}),
            rx.el.em(class_name="k1", style={"left": f"{hero.pool_mark_percent}%"}),
            rx.el.em(class_name="pk", style={"left": f"{hero.peak_mark_percent}%"}),
            class_name="capbar",
        ),
        rx.el.div(
            rx.el.span("0", style={"left": "0"}),
            rx.el.span(hero.pool_mark, style={"left": f"{hero.pool_mark_percent}%"}),
            rx.cond(hero.peak_fits, peak, rx.fragment()),
            rx.el.span(hero.capacity, style={"left": "100%"}),
            class_name="capm",
        ),
        rx.cond(hero.peak_fits, rx.fragment(), rx.el.div(peak, class_name="capm cap-peak")),
        class_name="cap",
        role="img",
        custom_attrs={"aria-label": hero.label},
    )


def _reason(reason: rx.Var) -> rx.Component:
    """One sentence of why."""
    return rx.el.li(icon_of(reason.icon, REASON_ICONS, 15), sentence(reason.sentence))


def facts(items: rx.Var) -> rx.Component:
    """The figures under the hero."""
    return rx.el.dl(rx.foreach(items, _fact), class_name="facts panel")


def _fact(fact: rx.Var) -> rx.Component:
    """One figure with its label and note."""
    return rx.el.div(
        rx.el.dt(fact.label),
        rx.el.dd(rx.el.b(fact.value), rx.el.i(fact.unit), rx.el.small(fact.note), class_name="num"),
        class_name=f"fact t-{fact.tone}",
    )
