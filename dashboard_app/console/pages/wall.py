"""`/wall`: across the room, is it all right? No controls; Escape leads back."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console import wall as services
from dashboard_app.console import words
from dashboard_app.console.components.every import every
from dashboard_app.console.components.icons import BREAKER_ICONS, STATE_ICONS, icon, icon_of
from dashboard_app.console.components.live import age, sentence, sign_in_again
from dashboard_app.console.components.shell import link
from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows.wall import OLD_S, Tile, WallTitle
from dashboard_app.console.session import assign, principal_of

POLICY = {"wall_state.load": "dashboard.read", "wall_state.look": "dashboard.read"}
"""Event handler → the action it needs."""
LOOK_EVERY_S = 5
"""How often an open wall asks how old its picture is: what it shows is fresh only while the answer comes."""


class WallState(rx.State):
    """The picture as it was last sent."""

    is_known: bool = False
    title: WallTitle = WallTitle()
    tiles: list[Tile] = []  # noqa: RUF012 - Reflex copies a state's defaults
    rest: str = ""
    jobs: str = ""
    jobs_tone: str = "n"
    alerts: str = ""
    alerts_tone: str = "n"
    age_s: float = 0.0
    stamp: int = 0

    @rx.event
    async def load(self) -> None:
        """Start the page."""
        if await enter(self, "wall") is not None:
            await self._count_jobs()
            _show(self, is_answer=True)

    @rx.event
    async def look(self) -> None:
        """Say anew how old the picture is."""
        if await principal_of(self) is not None:
            fill(await self.get_state(ShellState))
            await self._count_jobs()
            _show(self, is_answer=True)

    async def _count_jobs(self) -> None:
        """The jobs in short, with their age when that is worth a word; empty until the server has said it once."""
        jobs = await services.jobs_json(console())
        if jobs is None:
            assign(self, jobs="", jobs_tone="n")
            return
        dead, age_s = jobs["dead_letter_total"], jobs["age_s"]
        told = f"{words.count(jobs['queued'])} queued" + (f", {words.count(dead)} dead" if dead else "")
        assign(self, jobs=told + (f", {words.age(age_s)}" if age_s >= LOOK_EVERY_S else ""), jobs_tone="bad" if dead else "n")


async def render(root: Any, _params: Mapping[str, Any]) -> None:
    """Bring an open wall up to date; only what changed is sent."""
    fill(await root.get_state(ShellState))
    _show(await root.get_state(WallState))


def _show(page: WallState, *, is_answer: bool = False) -> None:
    """Assign what changed; the age only when it was asked for or something else changed, for the browser counts on by itself."""
    now = services.picture(console())
    is_known = now.age_s is not None
    alerts = services.alert_count(console())
    changed = assign(
        page,
        is_known=is_known,
        title=now.title,
        tiles=now.tiles,
        rest=now.rest,
        alerts="" if alerts is None else words.count(alerts),
        alerts_tone="bad" if alerts else "n",
    )
    if is_known and (changed or is_answer):
        page.age_s, page.stamp = round(now.age_s or 0.0, 1), page.stamp + 1


def page() -> rx.Component:
    """The whole screen."""
    state = WallState
    return rx.el.div(
        rx.cond(ShellState.is_signed_out, sign_in_again(), rx.fragment()),
        every(seconds=LOOK_EVERY_S, on_tick=state.look),
        _head(),
        _old(),
        _banner(),
        rx.cond(state.is_known, _tiles(), rx.el.p("Reading the sources…", class_name="wall-wait")),
        _foot(),
        link("Back to the sources (Escape)", to="/", class_name="unseen", custom_attrs={"data-key": "Escape"}),
        class_name=f"wall t-{state.title.tone}",
        custom_attrs={"data-state": rx.cond(ShellState.is_fallback, "fallback", "live"), "data-page": "wall"},
    )


def _head() -> rx.Component:
    """The clock, the verdict, the age of the picture."""
    state = WallState
    return rx.el.header(
        age(seconds=0, stamp="", mode="clock", class_name="plain num wall-clock"),
        rx.el.h1(
            icon_of(state.title.icon, STATE_ICONS, 72),
            rx.el.span(state.title.amount, class_name="num"),
            " ",
            rx.el.b(state.title.word),
            custom_attrs={"aria-live": "polite"},
        ),
        rx.cond(
            state.is_known,
            _age("data {} old", "plain num wall-age"),
            rx.el.span(class_name="wall-age"),
        ),
        class_name="wall-head",
    )


def _old() -> rx.Component:
    """A bar that the browser shows by itself once the picture is too old; without an answer nobody else could."""
    told = rx.el.div(icon("clock-alert", 40), _age("DATA IS {} OLD", "plain num"), class_name="wall-old", role="status")
    return rx.cond(WallState.is_known, told, rx.fragment())


def _age(template: str, class_name: str) -> rx.Component:
    """The age of the picture, marked as late from OLD_S on."""
    state = WallState
    return age(seconds=state.age_s, stamp=state.stamp.to_string(), mode="old", late=OLD_S, template=template, class_name=class_name)


def _banner() -> rx.Component:
    """That last known values are shown, since when and why; no button, for nobody stands here."""
    shown = ShellState.banner
    told = rx.el.div(
        icon("unplug", 28),
        rx.el.span(sentence(shown.since, "b"), " ", sentence(shown.cause)),
        class_name="wall-banner t-warn",
        role="status",
        custom_attrs={"data-testid": "fallback-banner"},
    )
    return rx.cond(ShellState.is_fallback, told, rx.fragment())


def _tiles() -> rx.Component:
    """The sources, worst first."""
    state = WallState
    return rx.el.main(
        rx.el.ul(rx.foreach(state.tiles, _tile), class_name="wall-tiles"),
        rx.cond(state.rest != "", rx.el.p(state.rest, class_name="wall-rest num"), rx.fragment()),
    )


def _tile(one: rx.Var[Tile]) -> rx.Component:
    """One source: icon, name, and why when it needs a person, else its state."""
    return rx.el.li(
        icon_of(one.icon, STATE_ICONS, 26),
        rx.el.span(
            rx.el.b(one.name),
            rx.el.small(rx.cond(one.why != "", rx.fragment(rx.el.span(one.word, ": ", class_name="unseen"), one.why), one.word)),
        ),
        class_name=f"wall-tile t-{one.tone}",
        key=one.id,
        custom_attrs={"data-source-id": one.id.to_string(), "data-status": one.status},
    )


def _foot() -> rx.Component:
    """Pool, level, breaker, jobs and alerts."""
    level, pool, breaker = ShellState.level, ShellState.pool, ShellState.breaker
    return rx.el.footer(
        rx.el.span(
            rx.el.small("Pool"),
            rx.el.b(pool.text, class_name="num", custom_attrs={"data-testid": "pool-usage", "data-percent": pool.percent.to_string()}),
            class_name="wall-fact",
        ),
        rx.el.span(
            rx.el.small(level.label),
            rx.el.b(level.word, custom_attrs={"data-testid": "throttling-level"}),
            class_name=f"wall-fact t-{level.tone}",
        ),
        rx.el.span(
            rx.el.small("Breaker"),
            rx.el.b(icon_of(breaker.icon, BREAKER_ICONS, 28), breaker.word),
            class_name=f"wall-fact t-{breaker.tone}",
            custom_attrs={"data-testid": "breaker-indicator", "data-state": breaker.state},
        ),
        _fact("Jobs", WallState.jobs, WallState.jobs_tone),
        _fact("Alerts", WallState.alerts, WallState.alerts_tone),
        class_name="wall-foot",
    )


def _fact(name: str, value: rx.Var[str], tone: rx.Var[str]) -> rx.Component:
    """One more figure; not there while it is not known."""
    told = rx.el.span(rx.el.small(name), rx.el.b(value, class_name="num"), class_name=f"wall-fact t-{tone}")
    return rx.cond(value != "", told, rx.fragment())
