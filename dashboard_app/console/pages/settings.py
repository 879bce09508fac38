"""`/settings`: what is set, where it came from, what it does. Read-only: every value is read at the start."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from dashboard_app.console.components.live import sentence
from dashboard_app.console.components.refused import refused
from dashboard_app.console.components.shell import shell
from dashboard_app.console.context import console
from dashboard_app.console.pages.shell_state import ShellState, enter, fill
from dashboard_app.console.rows import settings as rows
from dashboard_app.console.session import assign
from dashboard_app.policy.permission import allowed
from dashboard_app.settings import LoadedSettings

POLICY = {"settings_state.load": "console.watch"}
"""Event handler → the action it needs. Loading answers a viewer with the reason."""


class SettingsState(rx.State):
    """Every setting as it was read at the start; secrets are dots before they get here."""

    is_refused: bool = False
    groups: list[rows.SettingGroup] = []  # noqa: RUF012 - Reflex copies a state's defaults
    title: str = "Settings"

    @rx.event
    async def load(self) -> None:
        """Show the settings to an admin."""
        principal = await enter(self, "settings")
        if principal is None:
            return
        self.is_refused = not allowed(principal.role, "settings.read")
        groups = [] if self.is_refused else rows.groups(LoadedSettings(console().settings, console().origins))
        assign(self, groups=groups, title=rows.title(groups))


async def render(root: rx.State, _params: Mapping[str, Any]) -> None:
    """Bring the frame of an open `/settings` up to date; the values themselves never change while running."""
    fill(await root.get_state(ShellState))


def page() -> rx.Component:
    """The settings, or why they are not shown."""
    return shell("settings", rx.cond(SettingsState.is_refused, refused("Settings need the admin role."), _settings()))


def _settings() -> rx.Component:
    """Verdict and groups."""
    return rx.el.section(
        rx.el.div(
            rx.el.div(
                rx.el.h1(SettingsState.title),
                rx.el.p(
                    "All values are read at the start, from the environment or ",
                    rx.el.code(".env"),
                    ": a change ",
                    rx.el.b("needs a restart"),
                    ". ",
                    rx.el.code("doctor"),
                    " prints the same list.",
                    class_name="lede",
                ),
            ),
            class_name="ph",
        ),
        rx.foreach(SettingsState.groups, _group),
        class_name="page",
    )


def _group(group: rx.Var) -> rx.Component:
    """Settings that belong together."""
    return rx.el.section(
        rx.el.div(rx.el.h2(group.title), class_name="pt"),
        rx.el.dl(rx.foreach(group.rows, _setting), class_name="sets"),
        class_name="panel",
        key=group.title,
    )


def _setting(row: rx.Var) -> rx.Component:
    """One setting: name and meaning, value and unit, default and range, origin."""
    return rx.el.div(
        rx.el.dt(
            rx.el.span(row.name, class_name="mono set-name"),
            rx.cond(row.built, rx.fragment(), rx.el.span("not built yet", class_name="nchip t-off")),
            sentence(row.meaning, "small"),
        ),
        rx.el.dd(rx.el.b(row.value, class_name="num"), rx.cond(row.unit != "", rx.el.i(row.unit), ""), class_name="set-value"),
        rx.el.dd(
            rx.el.small("default ", row.default, rx.cond(row.allowed != "", rx.fragment(" · ", row.allowed), ""), class_name="num"),
            class_name="set-default",
        ),
        rx.el.dd(rx.el.small(row.origin), class_name=rx.cond(row.changed, "set-origin changed", "set-origin")),
        class_name="set",
        key=row.name,
    )
