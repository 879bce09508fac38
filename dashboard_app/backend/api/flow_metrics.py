"""What goes through the process, as Prometheus text: job updates, events and alerts, from their own counts."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dashboard_app.backend.api.neighbours.alerts import Alerts
from dashboard_app.backend.events.assembly import EventParts
from dashboard_app.backend.jobs.service import Jobs
from dashboard_app.model.alert import Severity


class JobsCollector(Collector):
    """The ledger of job updates: accepted = written + superseded + queued + dead letters."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        """One reading."""
        now = self._jobs.figures()
        updates = CounterMetricFamily("spillway_job_updates", "Job updates, by what became of them.", labels=("outcome",))
        ended = {
            "accepted": now.accepted_total,
            "written": now.written_total,
            "superseded": now.superseded_total,
            "dead": now.dead_letter_total,
        }
        for outcome, count in ended.items():
            updates.add_metric([outcome], count)
        yield updates
        yield GaugeMetricFamily("spillway_job_updates_queued", "Job updates that wait.", now.queued)
        yield GaugeMetricFamily("spillway_job_updates_oldest_seconds", "How long the oldest has waited.", now.oldest_s)
        yield CounterMetricFamily("spillway_job_checkouts", "Connections taken to write job updates.", now.checkouts_total)
        yield CounterMetricFamily("spillway_job_fallbacks", "Job updates written past a full queue.", now.fallbacks_total)
        yield GaugeMetricFamily("spillway_job_journal_bytes", "Journal on disk that is not written to the database yet.", now.journal_bytes)
        yield GaugeMetricFamily("spillway_job_updates_ok", "0 while updates wait for the database or the disk.", float(now.level == "ok"))


class EventsCollector(Collector):
    """Events in, messages out, and who reads."""

    def __init__(self, parts: EventParts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """One reading."""
        now = self._parts.events.figures()
        yield CounterMetricFamily("spillway_events_published", "Events taken in.", now.published_total)
        yield CounterMetricFamily("spillway_events_lost", "Events refused, or gone before they were kept.", now.lost_total)
        yield CounterMetricFamily("spillway_event_messages", "Messages sent out, one or more events each.", now.messages_total)
        yield GaugeMetricFamily("spillway_events_waiting", "Events that wait for their batch.", now.waiting)
        yield GaugeMetricFamily("spillway_event_messages_unsaved", "Messages that wait for the history.", now.unsaved)
        yield GaugeMetricFamily("spillway_event_streams", "Open streams, over SSE and WebSocket.", self._parts.streams.count)


class AlertsCollector(Collector):
    """Open alerts."""

    def __init__(self, alerts: Alerts) -> None:
        self._alerts = alerts

    def collect(self) -> Iterator[Metric]:
        """One reading."""
        told = [alert.severity for alert in self._alerts.open_now()]
        found = GaugeMetricFamily("spillway_alerts_open", "Alerts that are not over.", labels=("severity",))
        for severity in Severity:
            found.add_metric([severity.value], told.count(severity))
        yield found
