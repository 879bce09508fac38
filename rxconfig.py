"""What Reflex needs to know to build and serve the console."""

import reflex as rx

from dashboard_app.console.same_origin import SameOriginPlugin
from dashboard_app.console.viewers import STATE_KEPT_S

config = rx.Config(
    app_name="dashboard_app",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    state_manager_mode="memory",
    redis_token_expiration=STATE_KEPT_S,  # Reflex's name for it; it holds for states in memory, too
    cors_allowed_origins=[],
    plugins=[
        rx.plugins.RadixThemesPlugin(
            theme=rx.theme(accent_color="indigo", gray_color="slate", radius="medium", scaling="100%", panel_background="solid"),
        ),
        SameOriginPlugin(),
    ],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
