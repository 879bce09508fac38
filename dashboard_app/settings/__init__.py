"""Every knob of Spillway: read once from the environment and `.env`, checked, then passed on as values.

Names in the environment carry the prefix `SPILLWAY_`. `load_settings()` raises `StartRefused` with one line per mistake.
"""

from dashboard_app.settings.knobs import PREFIX, Settings
from dashboard_app.settings.loading import LoadedSettings, is_built, is_live, load_settings, with_changes
from dashboard_app.settings.mistakes import masked

__all__ = ["PREFIX", "LoadedSettings", "Settings", "is_built", "is_live", "load_settings", "masked", "with_changes"]
