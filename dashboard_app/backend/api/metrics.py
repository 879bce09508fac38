"""`GET /metrics`: what the process measures of itself, as Prometheus text."""

import asyncio
from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dashboard_app.backend.api.neighbours.guard import Guard
from dashboard_app.model.health import Health
from dashboard_app.model.pool import Level
from dashboard_app.runtime.loop_watch import LoopWatch
from dashboard_app.runtime.routing import acts, strict_router

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class ApiMetrics:
    """The registry of one app: its requests, its probes, and its pool, read when somebody asks."""

    def __init__(self, guard: Guard, loop_watch: LoopWatch | None = None) -> None:
        """A registry of its own, so that two apps in one process do not mix."""
        self.registry = CollectorRegistry(auto_describe=False)
        self.requests = Counter("spillway_http_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry)
        self.seconds = Histogram(
            "spillway_http_request_duration_seconds",
            "Time to the last byte, or to the first of an answer that streams.",
            ("method", "route"),
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self._kept: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.probes = Counter("spillway_probes", "Health readings answered, by status.", ("status",), registry=self.registry)
        self.registry.register(_PoolCollector(guard))
        ProcessCollector(registry=self.registry)
        if loop_watch is not None:
            self.registry.register(_LoopCollector(loop_watch))

    def saw(self, health: Health) -> None:
        """Count one health reading that was answered."""
        self.probes.labels(health.status.value).inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer under its route's template ("" for none), never under its path, so that labels stay few."""
        key = (method, route, status)
        kept = self._kept.get(key)
        if kept is None:
            labels = (method, route or "none")
            kept = self._kept[key] = (self.requests.labels(*labels, str(status)), self.seconds.labels(*labels))
        kept[0].inc()
        kept[1].observe(seconds)

    def text(self) -> bytes:
        """Everything, in the text format."""
        return generate_latest(self.registry)


class _PoolCollector(Collector):
    """Pool, admission and level, from the guard's own counts: no connection is taken."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def collect(self) -> Iterator[Metric]:
        """One reading."""
        status, counts = self._guard.status(call_sites=False), self._guard.counts()
        pool = GaugeMetricFamily("spillway_pool_connections", "Connections of the guarded pool.", labels=("state",))
        for state in ("checked_out", "idle", "overflow", "capacity", "waiting"):
            pool.add_metric([state], getattr(counts, state))
        yield pool
        yield GaugeMetricFamily("spillway_pool_usage_ratio", "checked_out / capacity.", counts.usage_percent / 100)
        yield GaugeMetricFamily("spillway_pool_oldest_wait_seconds", "How long the oldest waiter has waited.", counts.oldest_wait_s)
        yield GaugeMetricFamily("spillway_admission_in_flight", "Database work admitted now.", status["admission"]["in_flight"])
        yield GaugeMetricFamily("spillway_admission_limit", "Database work admitted at most.", status["admission"]["limit"])
        yield CounterMetricFamily("spillway_admission_rejected", "Work refused a place.", status["admission"]["rejected_total"])
        leaks = self._guard.leaks_json()
        yield CounterMetricFamily("spillway_pool_leaks_found", "Checkouts that became suspected leaks.", leaks["found_total"])
        ended = CounterMetricFamily("spillway_pool_leaks_ended", "Suspected leaks that are back, by how.", labels=("how",))
        for how in ("returned", "reclaimed"):
            ended.add_metric([how], leaks[f"{how}_total"])
        yield ended
        level = GaugeMetricFamily("spillway_throttling_level", "1 for the level that holds.", labels=("level",))
        for one in Level:
            level.add_metric([one.value], float(one.value == status["throttling_level"]))
        yield level
        yield from self._efficiency()

    def _efficiency(self) -> Iterator[Metric]:
        """How checkouts were served since the start."""
        served = self._guard.insight.performance_json()["pool"]["since_start"]
        checkouts = CounterMetricFamily("spillway_pool_checkouts", "Checkouts, by how they were served.", labels=("served",))
        for way in ("idle", "opened", "waited"):
            checkouts.add_metric([way], served[way])
        yield checkouts
        yield CounterMetricFamily("spillway_pool_waits_given_up", "Waits in the pool that ended without a connection.", served["gave_up"])
        clients = GaugeMetricFamily(
            "spillway_throttle_clients", "Clients, by whether they follow the throttling-config.", labels=("follows",)
        )
        told = [client["follows"] for client in self._guard.insight.clients_json()["items"]]
        for follows in ("current", "behind", "stale", "unknown"):
            clients.add_metric([follows], told.count(follows))
        yield clients


class _LoopCollector(Collector):
    """The event loop: its tasks and how late it was."""

    def __init__(self, watch: LoopWatch) -> None:
        self._watch = watch

    def collect(self) -> Iterator[Metric]:
        """One reading, taken on the loop itself."""
        yield GaugeMetricFamily("spillway_event_loop_tasks", "Tasks that are not done.", len(asyncio.all_tasks()))
        late, longest = self._watch.longest_of_window_s(), self._watch.longest_s
        yield GaugeMetricFamily("spillway_event_loop_late_seconds", "The latest waking of the last minute.", late)
        yield GaugeMetricFamily("spillway_event_loop_late_max_seconds", "The latest waking since the start.", longest)
        yield CounterMetricFamily("spillway_event_loop_stalls", "Wakings that were more than 250 ms late.", self._watch.stalls)


def metrics_routes(metrics: ApiMetrics) -> APIRouter:
    """`GET /metrics`."""
    router = strict_router("operations")
    content = {"text/plain": {"schema": {"type": "string"}}}

    @router.get(
        "/metrics",
        openapi_extra=acts("metrics.read"),
        response_class=Response,
        responses={200: {"content": content, "description": "Text."}},
    )
    async def prometheus() -> Response:
        """Pool, admission, level, probes and requests as Prometheus text."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
