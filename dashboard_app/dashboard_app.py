"""The console's pages and their addresses: a table of contents."""

import reflex as rx

from dashboard_app.console.pages import audit, drill, pool, settings, source, sources
from dashboard_app.console.pages.pool_state import PoolState
from dashboard_app.console.pages.source_state import SourceState
from dashboard_app.console.pages.sources_state import SourcesState

STYLESHEETS = [f"styles/{name}.css" for name in ("tokens", "base", "shell", "forms", "sources", "pool", "detail")]

app = rx.App(
    stylesheets=STYLESHEETS,
    head_components=[
        rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml"),
        rx.el.link(rel="preload", href="/fonts/inter-latin-wght-normal.woff2", custom_attrs={"as": "font", "type": "font/woff2", "crossOrigin": ""}),
        rx.el.script(src="/js/theme.js"),
        rx.el.script(src="/js/keys.js", defer=True),
    ],
    html_lang="en",
    toaster=None,
)
app.add_page(sources.page, route="/", title="Sources · Spillway", on_load=SourcesState.load)
app.add_page(source.page, route="/sources/[source_id]", title="Source · Spillway", on_load=SourceState.load)
app.add_page(pool.page, route="/pool", title="Pool · Spillway", on_load=PoolState.load)
app.add_page(audit.page, route="/audit", title="Audit · Spillway", on_load=audit.AuditState.load)
app.add_page(settings.page, route="/settings", title="Settings · Spillway", on_load=settings.SettingsState.load)
app.add_page(drill.page, route="/drill", title="Drill · Spillway", on_load=drill.DrillState.load)
