"""What the API is built from: `neighbours` are protocols, so that it runs on the real services and on small fakes alike."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from dashboard_app.access.identity import Identity
from dashboard_app.backend.api.neighbours.alerts import Alerts
from dashboard_app.backend.api.neighbours.audit import Audit
from dashboard_app.backend.api.neighbours.guard import Guard
from dashboard_app.backend.api.neighbours.sources import History, Poolers, Probing, Sources
from dashboard_app.backend.events.assembly import EventParts
from dashboard_app.backend.jobs.service import Jobs
from dashboard_app.backend.notify.channels import Channels
from dashboard_app.model.clock import Clock
from dashboard_app.runtime.loop_watch import LoopWatch
from dashboard_app.settings import Settings


def _nothing_missing() -> list[str]:
    """No reason not to be ready."""
    return []


@dataclass(frozen=True, slots=True)
class ApiDeps:
    """Everything the API calls. `readiness` gives the reasons why the process cannot serve yet; none: it can.

    `ping` answers the milliseconds of one round trip over the control pool and raises DatabaseUnavailable. Without `jobs`,
    `events`, `channels` or `identity` their calls do not exist.
    """

    settings: Settings
    clock: Clock
    guard: Guard
    engine: AsyncEngine
    ping: Callable[[], Awaitable[float]]
    sources: Sources
    probing: Probing
    poolers: Poolers
    history: History
    audit: Audit
    alerts: Alerts
    jobs: Jobs | None = None
    identity: Identity | None = None
    events: EventParts | None = None
    channels: Channels | None = None
    readiness: Callable[[], list[str]] = _nothing_missing
    loop_watch: LoopWatch | None = None
