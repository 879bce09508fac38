"""The pool guard's public face; it needs SQLAlchemy and Starlette only."""

from dashboard_app.backend.guard.limits import GuardLimits
from dashboard_app.backend.guard.pool_guard import PoolGuard
from dashboard_app.backend.guard.report import CleanupReport, Skipped
from dashboard_app.backend.guard.server_view import ControlView, ServerView

__all__ = ["CleanupReport", "ControlView", "GuardLimits", "PoolGuard", "ServerView", "Skipped"]
