"""What the server behind `tests.preloaded` imports before it forks: all that reads nothing of a Spillway's own settings while it is imported."""

import os

os.environ["REFLEX_ENV_MODE"] = "prod"  # as `serve` sets it before it imports Reflex, which keeps it

import reflex.app  # noqa: F401 - the environment comes first

import dashboard_app.cli
import dashboard_app.wiring  # noqa: F401
