"""Events, built from their parts."""

from dataclasses import dataclass

from dashboard_app.backend.events.publisher import Events
from dashboard_app.backend.events.recorder import Pool, Recorder, RecorderRule
from dashboard_app.backend.events.streams import Streams
from dashboard_app.model.clock import Clock
from dashboard_app.model.event import Message
from dashboard_app.policy.batching import BatchLimits
from dashboard_app.runtime.hub import Hub
from dashboard_app.settings import Settings
from dashboard_app.store.events import EventStore


@dataclass(frozen=True, slots=True)
class EventParts:
    """Who publishes, and who reads."""

    events: Events
    streams: Streams

    def retune(self, settings: Settings) -> None:
        """Go by changed settings from now on."""
        self.events.retune(event_limits(settings), batching=settings.event_batching)
        self.events.recorder.rule = _rule(settings)


def build_events(store: EventStore, pool: Pool, clock: Clock, settings: Settings) -> EventParts:
    """Events of one process, not started; no I/O."""
    hub: Hub[Message] = Hub()
    recorder = Recorder(store, hub, pool, clock, _rule(settings))
    return EventParts(Events(hub, recorder, clock, event_limits(settings), batching=settings.event_batching), Streams(hub))


def event_limits(settings: Settings) -> BatchLimits:
    """The batcher's numbers in the settings. A batch is never larger than what makes it due: ten events become one message, not fifty."""
    return BatchLimits(settings.event_batch_size, settings.event_batch_timeout_s, settings.event_batch_size, settings.event_queue_max)


def _rule(settings: Settings) -> RecorderRule:
    """The recorder's numbers in the settings."""
    return RecorderRule(settings.event_max_retries, settings.event_retry_delay_s, settings.event_retention_days)
