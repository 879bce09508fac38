"""The frame of every page: navigation, the header with its vitals, the user's menu, the banner, toast and live region."""

from typing import Any

import reflex as rx
from reflex.style import set_color_mode
from reflex_components_core.core.banner import has_connection_errors
from reflex_components_core.el.elements.base import BaseHTML
from reflex_components_core.react_router import ReactRouterLink

from dashboard_app.console.components.banner import fallback_banner
from dashboard_app.console.components.every import in_sight
from dashboard_app.console.components.icons import BREAKER_ICONS, icon, icon_of
from dashboard_app.console.components.live import age, sentence, sign_in_again, still_signed_in
from dashboard_app.console.components.palette import key_list, palette, palette_button
from dashboard_app.console.components.toasts import toasts
from dashboard_app.console.pages.shell_state import ShellState


class NativeForm(BaseHTML):
    """A form that the browser sends by itself; Reflex's own form never leaves the page."""

    tag = "form"


_LOOK_S = 5
"""How often a page without its socket asks whether its session is still good."""

link = ReactRouterLink.create
"""A link inside the app: no page load."""


def shell(page: str, *content: rx.Component) -> rx.Component:
    """`content` inside the frame, with `page` (sources, pool, alerts, audit, settings, drill) marked in the navigation."""
    return rx.el.div(
        rx.cond(ShellState.is_signed_out, sign_in_again(), rx.fragment()),
        rx.el.a("Skip to content", href="#main", class_name="skip"),
        _side(page),
        rx.el.div(
            _header(),
            rx.el.main(fallback_banner(), *content, id="main", tab_index=-1),
            class_name="main",
        ),
        _bottom_bar(page),
        toasts(),
        in_sight(on_seen=ShellState.seen),
        rx.cond(has_connection_errors, still_signed_in(seconds=_LOOK_S), rx.fragment()),
        palette(),
        key_list(),
        rx.el.p(ShellState.announcement, role="status", class_name="unseen", custom_attrs={"aria-live": "polite"}),
        rx.el.p(ShellState.alarm, role="alert", class_name="unseen"),
        class_name="shell",
        custom_attrs={"data-state": rx.cond(ShellState.is_fallback, "fallback", "live"), "data-page": page},
    )


def logo_mark() -> rx.Component:
    """Water over a wall: the mark."""
    return rx.image(src="/favicon.svg", alt="", width="22px", height="22px", class_name="mark")


def _nav_items() -> list[tuple[str, str, str, str, Any]]:
    """The built pages: key, address, icon, name, and who sees it."""
    return [
        ("sources", "/", "database", "Sources", None),
        ("pool", "/pool", "gauge", "Pool", None),
        ("breakers", "/breakers", "shield-check", "Breakers", None),
        ("jobs", "/jobs", "list-checks", "Jobs", None),
        ("events", "/events", "radio", "Events", None),
        ("alerts", "/alerts", "bell", "Alerts", None),
        ("audit", "/audit", "scroll-text", "Audit", ShellState.may_administer),
        ("users", "/users", "users", "Users", ShellState.may_administer),
        ("tokens", "/tokens", "key-round", "Tokens", ShellState.may_administer),
        ("settings", "/settings", "settings", "Settings", ShellState.may_administer),
        ("drill", "/drill", "flask-conical", "Drill", ShellState.is_demo),
        ("wall", "/wall", "monitor", "Wall", None),
    ]


def _chip(key: str) -> rx.Component:
    """What is wrong behind a page's name."""
    nav = ShellState.nav
    if key == "sources":
        return rx.cond(nav.sources != "", rx.el.span(nav.sources, class_name="nchip t-bad"), rx.fragment())
    if key == "pool":
        return rx.cond(nav.pool != "", rx.el.span(nav.pool, class_name=f"nchip t-{nav.pool_tone}"), rx.fragment())
    if key == "alerts":
        return rx.cond(nav.alerts != "", rx.el.span(nav.alerts, class_name="nchip t-bad"), rx.fragment())
    return rx.el.span("demo", class_name="nchip t-off") if key == "drill" else rx.fragment()


def _current(key: str, page: str) -> dict[str, str]:
    """`aria-current` on the page that is shown."""
    return {"aria-current": "page"} if key == page else {}


def _side(page: str) -> rx.Component:
    """The navigation at the side; below 1280 px its words are hidden from sight only."""
    items = []
    for key, href, icon_name, name, seen in _nav_items():
        item = link(
            icon(icon_name, 17), rx.el.span(name), _chip(key), to=href, title=name, class_name="nv", custom_attrs=_current(key, page)
        )
        items.append(item if seen is None else rx.cond(seen, item, rx.fragment()))
    return rx.el.aside(
        link(logo_mark(), rx.el.b("Spillway"), to="/", title="Spillway", class_name="logo"),
        rx.el.nav(*items, custom_attrs={"aria-label": "Pages"}),
        rx.el.div(rx.el.span(ShellState.environment), rx.el.small(ShellState.own_load), class_name="sf"),
        class_name="side",
    )


_ALWAYS_AT_HAND = ("sources", "pool", "breakers", "alerts")
"""The pages that a narrow screen's bar names; the others stand under More."""


def _bottom_bar(page: str) -> rx.Component:
    """The navigation of a narrow screen: four pages, and the rest in a menu that works without a script."""
    at_hand: list[rx.Component] = []
    more: list[rx.Component] = []
    for key, href, icon_name, name, seen in _nav_items():
        is_at_hand = key in _ALWAYS_AT_HAND
        look = "bn" if is_at_hand else "mi"
        item = link(icon(icon_name, 19 if is_at_hand else 16), rx.el.span(name), to=href, class_name=look, custom_attrs=_current(key, page))
        (at_hand if is_at_hand else more).append(item if seen is None else rx.cond(seen, item, rx.fragment()))
    opener = rx.el.button(
        icon("ellipsis", 19),
        rx.el.span("More"),
        type="button",
        class_name="bn",
        custom_attrs={"popoverTarget": "more-pages"} | ({} if page in _ALWAYS_AT_HAND else {"aria-current": "true"}),
    )
    return rx.fragment(
        rx.el.nav(*at_hand, opener, class_name="bot", custom_attrs={"aria-label": "Pages, short"}),
        rx.el.nav(*more, id="more-pages", class_name="menu more", custom_attrs={"popover": "auto", "aria-label": "More pages"}),
    )


def _header() -> rx.Component:
    """One place to look first, at every width."""
    return rx.el.header(
        link(logo_mark(), rx.el.span("Spillway, sources", class_name="unseen"), to="/", class_name="mlogo"),
        rx.el.div(_level(), _pool(), _breaker(), _round(), _feed(), class_name="vitals"),
        rx.el.div(palette_button(), _theme_button(), _user(), class_name="tr"),
        class_name="top",
    )


def _words(label: rx.Component | rx.Var | str, value: rx.Component) -> rx.Component:
    """A small label over its value."""
    return rx.el.span(rx.el.small(label), value, class_name="vw")


def _level() -> rx.Component:
    """What clients are told."""
    level = ShellState.level
    return link(
        icon("gauge"),
        _words(level.label, rx.el.b(level.word, custom_attrs={"data-testid": "throttling-level"})),
        to="/pool",
        title=level.title,
        class_name=f"vt v-level t-{level.tone}",
    )


def _pool() -> rx.Component:
    """How full the pool is, with the three thresholds cut into the bar."""
    pool = ShellState.pool
    label = rx.cond(
        pool.old,
        rx.fragment("Pool, ", age(seconds=pool.age_s, stamp=pool.stamp, mode="ago", class_name="plain")),
        "Pool",
    )
    return link(
        _words(label, rx.el.b(pool.text, class_name="num")),
        rx.el.span(
            rx.el.span(class_name=f"b-{pool.bar}", style={"width": f"{pool.percent}%"}),
            *(rx.el.em(style={"left": f"{mark}%"}) for mark in (70, 80, 90)),
            class_name="pmini",
            custom_attrs={"aria-hidden": "true"},
        ),
        to="/pool",
        class_name="vt",
        custom_attrs={"data-testid": "pool-usage", "data-percent": pool.percent.to_string()},
    )


def _breaker() -> rx.Component:
    """The worst breaker."""
    breaker = ShellState.breaker
    label = rx.cond(
        breaker.counts,
        age(seconds=breaker.trial_s, stamp=breaker.stamp, mode="next", template="Breaker, trial {}", class_name="plain"),
        rx.cond(breaker.note != "", rx.fragment("Breaker, ", sentence(breaker.note)), "Breaker"),
    )
    return link(
        rx.el.span(icon_of(breaker.icon, BREAKER_ICONS, 15), class_name=f"tic t-{breaker.tone}"),
        _words(label, rx.el.b(breaker.word)),
        to="/breakers",
        title=breaker.title,
        class_name=f"vt v-{breaker.state} t-{breaker.tone}",
        custom_attrs={"data-testid": "breaker-indicator", "data-state": breaker.state},
    )


def _round() -> rx.Component:
    """How far the health round is."""
    return link(
        rx.el.span(icon("refresh-cw", 14), class_name="tic t-n"),
        _words("Round", rx.el.b(ShellState.round_text, class_name="num")),
        to="/",
        class_name="vt v-round",
    )


def _feed() -> rx.Component:
    """How news comes here, or that this page's own connection is down."""
    feed = ShellState.feed
    return link(
        rx.el.span(class_name=rx.cond(has_connection_errors, "dot off", f"dot {feed.dot}")),
        _words("Live feed", rx.el.b(rx.cond(has_connection_errors, "Reconnecting", feed.word))),
        to="/events",
        title=feed.title,
        class_name="vt live",
        custom_attrs={"data-feed": feed.dot},
    )


def _theme_button() -> rx.Component:
    """Light or dark, at once."""
    return rx.el.button(
        rx.el.span(icon("moon", 16), class_name="th-dark"),
        rx.el.span(icon("sun", 16), class_name="th-light"),
        rx.el.span("Switch theme", class_name="unseen"),
        type="button",
        class_name="ib",
        title="Switch between light and dark",
        on_click=rx.toggle_color_mode,
        custom_attrs={"data-press": "theme"},
    )


def _user() -> rx.Component:
    """Who is signed in; opens the menu, which works without a script."""
    return rx.fragment(
        rx.el.button(
            rx.el.span(ShellState.initials, class_name="av", custom_attrs={"aria-hidden": "true"}),
            rx.el.span("Account", class_name="unseen"),  # its name until the socket has said who it is
            rx.el.span(rx.el.b(ShellState.user_name), rx.el.small(ShellState.user_role), class_name="whow"),
            type="button",
            class_name="who",
            custom_attrs={"popoverTarget": "user-menu"},
        ),
        rx.el.div(
            rx.el.p(rx.el.b(ShellState.user_name), rx.el.small(ShellState.user_role), class_name="menu-who"),
            link(icon("user-round"), "Your account", to="/account", class_name="mi"),
            rx.el.p("Theme", class_name="menu-label"),
            *(
                rx.el.button(word, type="button", class_name="mi", on_click=set_color_mode(mode))
                for mode, word in (("system", "Follow the system"), ("light", "Light"), ("dark", "Dark"))
            ),
            rx.el.p("Keyboard", class_name="menu-label"),
            rx.el.button("Keyboard shortcuts", type="button", class_name="mi", custom_attrs={"data-opens": "keys"}),
            rx.el.button(
                rx.el.span("Single keys"),
                rx.el.span(class_name="onoff", custom_attrs={"aria-hidden": "true"}),
                type="button",
                role="switch",
                class_name="mi",
                custom_attrs={"aria-checked": "true", "data-single-keys": ""},
            ),
            NativeForm.create(
                rx.el.button(icon("log-out"), "Sign out", type="submit", class_name="mi"),
                class_name="menu-out",
                custom_attrs={"method": "post", "action": "/logout"},
            ),
            id="user-menu",
            class_name="menu",
            custom_attrs={"popover": "auto"},
        ),
    )
