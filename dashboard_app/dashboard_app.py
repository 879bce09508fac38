"""The app on one screen: its pages and their addresses, and what stands round them."""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

import reflex as rx
from reflex.event import EventSpec
from reflex.state import FrontendEventExceptionState

from dashboard_app import frontend, wiring
from dashboard_app.access.arguments import FittingArguments
from dashboard_app.access.event_gate import EventGate, check_policies, delta_of, farewell, registered
from dashboard_app.console.pages import (
    account,
    account_state,
    alert_rules_state,
    alerts,
    alerts_state,
    audit,
    breakers,
    breakers_state,
    channels_state,
    drill,
    drill_state,
    events,
    events_state,
    jobs,
    jobs_state,
    missing,
    palette_state,
    pool,
    pool_state,
    pooler_state,
    service_state,
    settings,
    settings_state,
    shell_state,
    source,
    source_actions,
    source_form,
    source_state,
    sources,
    sources_state,
    tokens,
    users,
    users_state,
    wall,
)
from dashboard_app.settings import load_settings


class Page(NamedTuple):
    """One page: its address, its words in the tab, its view, its state, and the module that renders and polices it."""

    route: str
    title: str
    view: Any
    state: Any
    module: Any


PAGES = {
    "sources": Page("/", "Sources", sources.page, sources_state.SourcesState, sources_state),
    "source": Page("/sources/[source_id]", "Source", source.page, source_state.SourceState, source_state),
    "pool": Page("/pool", "Pool", pool.page, pool_state.PoolState, pool_state),
    "breakers": Page("/breakers", "Breakers", breakers.page, breakers_state.BreakersState, breakers_state),
    "jobs": Page("/jobs", "Jobs", jobs.page, jobs_state.JobsState, jobs_state),
    "events": Page("/events", "Events", events.page, events_state.EventsState, events_state),
    "alerts": Page("/alerts", "Alerts", alerts.page, alerts_state.AlertsState, alerts_state),
    "audit": Page("/audit", "Audit", audit.page, audit.AuditState, audit),
    "users": Page("/users", "Users", users.page, users_state.UsersState, users_state),
    "tokens": Page("/tokens", "API tokens", tokens.page, tokens.TokensState, tokens),
    "account": Page("/account", "Your account", account.page, account_state.AccountState, account_state),
    "settings": Page("/settings", "Settings", settings.page, settings_state.SettingsState, settings_state),
    "drill": Page("/drill", "Drill", drill.page, drill_state.DrillState, drill_state),
    "wall": Page("/wall", "Wall", wall.page, wall.WallState, wall),
}
ADDRESSES = frozenset(page.route for page in PAGES.values() if page.route != "/" and "[" not in page.route)
STYLESHEETS = [
    f"styles/{name}.css"
    for name in (
        "tokens",
        "base",
        "shell",
        "forms",
        "sources",
        "pool",
        "detail",
        "measured",
        "breakers",
        "jobs",
        "events",
        "alerts",
        "people",
        "wall",
    )
]
_MODULES = (
    shell_state,
    palette_state,
    pooler_state,
    service_state,
    source_actions,
    source_form,
    alert_rules_state,
    channels_state,
    *(page.module for page in PAGES.values()),
)
POLICY: Mapping[str, str] = {handler: action for module in _MODULES for handler, action in module.POLICY.items()}
"""Every event handler of every page → the action it needs."""
UNATTENDED = (
    "pool_state.read_details",
    "source_state.read_charts",
    "service_state.read",
    "pooler_state.read",
    "drill_state.watch",
    "wall_state.look",
    "jobs_state.read",
    "breakers_state.read",
    "channels.read",
    "events_state.read",
    "events_state.again",
    "palette_state.again",
    "shell_state.seen",
)
"""What open pages read by themselves every few seconds."""


OVER = delta_of(shell_state.ShellState, is_signed_out=True)
"""What makes an open page leave for the sign-in page."""
_LOG = logging.getLogger(__name__)
LOOKS = {"sources": sources_state.look, **dict.fromkeys(("account", "audit", "tokens", "users"), shell_state.look)}
"""Pages that need no push while what they show of the console looks the same."""


def _tell_of_failure(exception: Exception) -> EventSpec:
    """Log what no handler foresaw, and say so on the page that it happened to; Reflex's own word for it would need eval."""
    _LOG.error("an event handler failed", exc_info=exception)
    return shell_state.ShellState.failed()


def _renderer(page: Page) -> Any:
    """How one open page takes over what changed."""

    async def render(root: Any, params: dict[str, Any]) -> None:
        await page.module.render(await root.get_state(page.state), params)

    return render


async def _is_signed_in(cookie: str) -> bool:
    """True while the session behind an open page is not known to be over; a page that is only open does not keep it alive."""
    return not await spillway.identity.is_session_over(cookie)


def _around(pages: Any) -> Any:
    """All that stands in front of Reflex; asked for when every page and handler is there."""
    scripts = frontend.scripts_of_build()
    return spillway.entrance.around(pages, addresses=ADDRESSES, farewell=farewell(OVER), scripts=scripts, handlers=registered())


spillway = wiring.build(load_settings())
app = rx.App(
    stylesheets=STYLESHEETS,
    head_components=[
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
        rx.el.link(
            rel="preload", href="/fonts/inter-latin-wght-normal.woff2", custom_attrs={"as": "font", "type": "font/woff2", "crossOrigin": ""}
        ),
        rx.el.script(src="/js/theme.js"),
        rx.el.script(src="/js/keys.js", defer=True),
    ],
    html_lang="en",
    toaster=None,
    api_transformer=_around,
    backend_exception_handler=_tell_of_failure,
)
for page in PAGES.values():
    app.add_page(page.view, route=page.route, title=f"{page.title} · Spillway", on_load=page.state.load)
app.add_page(missing.page, route="404", title="No such page · Spillway")
app.add_middleware(EventGate(spillway.identity, POLICY, UNATTENDED, over=OVER), index=0)
app.add_middleware(FittingArguments(), index=1)
check_policies(POLICY)
FrontendEventExceptionState.auto_reload_on_errors = []  # it reloads by a script that it sends, which the policy of content forbids
app.register_lifespan_task(spillway.opened)
spillway.console.viewers.bind(app, {name: _renderer(page) for name, page in PAGES.items()}, _is_signed_in, LOOKS)


def served() -> Any:
    """What the one port serves: Reflex with everything in it, and calls of the API past its layers."""
    return spillway.entrance.in_front_of(app())
