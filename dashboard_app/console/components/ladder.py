"""What clients are told: the four levels with the one that holds now, and the six values with what each means."""

import reflex as rx

from dashboard_app.console.components.badge import tone_icon
from dashboard_app.console.components.live import age


def ladder(rungs: rx.Var, note: rx.Var[str], hint: rx.Var[str], age_s: rx.Var[float], stamp: rx.Var[str]) -> rx.Component:
    """The panel on the right of `/pool`. `note` says version and lifetime, `hint` how clients come back to full speed."""
    return rx.el.div(
        rx.el.div(
            rx.el.h2("What clients are told"),
            rx.el.small(note, age(seconds=age_s, stamp=stamp, late=60.0, mode="old", template="{} old")),
            class_name="pt",
        ),
        rx.el.div(
            rx.el.div(
                rx.el.div("Level", role="columnheader"),
                *(rx.el.div(word, role="columnheader", class_name="num") for word in ("At once", "Per min", "Apart")),
                class_name="lr lh",
                role="row",
            ),
            rx.foreach(rungs, _rung),
            class_name="ladder",
            role="table",
            custom_attrs={"aria-label": "What clients are told at each level"},
        ),
        rx.el.p(hint, class_name="hint"),
        class_name="panel pl2",
    )


def _rung(rung: rx.Var) -> rx.Component:
    """One level."""
    return rx.el.div(
        rx.el.div(tone_icon(rung.icon, rung.tone), rx.el.b(rung.level), rx.el.small(rung.bound), role="cell"),
        *(rx.el.div(value, class_name="num", role="cell") for value in (rung.at_once, rung.per_minute, rung.apart)),
        class_name=rx.cond(rung.current, f"lr on t-{rung.tone}", "lr"),
        role="row",
        custom_attrs={"aria-current": rx.cond(rung.current, "true", "false")},
    )


def config_values(items: rx.Var) -> rx.Component:
    """The six values of throttling-config as they hold now."""
    return rx.el.div(
        rx.el.div(rx.el.h2("The six values now"), rx.el.small("as every client reads them"), class_name="pt"),
        rx.el.dl(rx.foreach(items, _value), class_name="six"),
        class_name="panel",
    )


def _value(item: rx.Var) -> rx.Component:
    """One value and what it means."""
    return rx.el.div(
        rx.el.dt(item.name, class_name="mono"),
        rx.el.dd(rx.el.b(item.value, class_name="num"), rx.el.small(item.meaning)),
        class_name=f"sixv t-{item.tone}",
    )
