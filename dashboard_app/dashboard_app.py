"""The console's pages and their addresses: a table of contents."""

import reflex as rx

from dashboard_app.console.pages import sources
from dashboard_app.console.pages.sources_state import SourcesState

STYLESHEETS = [f"styles/{name}.css" for name in ("tokens", "base", "shell", "forms", "sources", "pool")]

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
