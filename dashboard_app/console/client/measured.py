"""What a guard has measured, as values: response times, clients, sizing. Tolerant of what a server leaves out; wrong bodies are garbage."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dashboard_app.console.client.contract import or_garbage

_TEXT_KEPT = 200
_ITEMS_KEPT = 500


@dataclass(frozen=True, slots=True)
class RouteReading:
    """One route over the server's window. Times in milliseconds."""

    route: str
    requests: int
    errors: int
    error_percent: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Efficiency:
    """Checkouts by the way they were served; `gave_up` are waits without a connection."""

    idle: int
    opened: int
    waited: int
    gave_up: int

    @property
    def checkouts(self) -> int:
        """All that got a connection."""
        return self.idle + self.opened + self.waited


@dataclass(frozen=True, slots=True)
class Performance:
    """Routes, the worst first, and how the pool served its checkouts in the window and since the start."""

    window_s: float
    routes: tuple[RouteReading, ...]
    window: Efficiency
    since_start: Efficiency


@dataclass(frozen=True, slots=True)
class ClientReading:
    """One client of the server; `version` and `config_age_s` None: not known."""

    name: str
    is_signed_in: bool
    version: int | None
    follows: str
    config_age_s: float | None
    seen_s: float
    requests_last_minute: int
    allowed_per_minute: int


@dataclass(frozen=True, slots=True)
class Clients:
    """Who follows the throttling-config, who does not first. `is_binding`: the limits hold now."""

    version: int
    is_binding: bool
    most: int
    dropped_total: int
    items: tuple[ClientReading, ...]


@dataclass(frozen=True, slots=True)
class SizeReading:
    """The wait that a pool of so many connections would have given."""

    connections: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    waited_percent: float


@dataclass(frozen=True, slots=True)
class Sizing:
    """The curve, N rising; `recommended` None: none up to 100 is enough, or not judged."""

    checkouts: int
    span_s: float
    left_out: int
    is_judged: bool
    capacity: int
    limit_ms: float
    recommended: int | None
    measured_p99_ms: float
    curve: tuple[SizeReading, ...]
    note: str


def _text(value: object) -> str:
    """A word of the server's, bounded."""
    return str(value)[:_TEXT_KEPT]


def _efficiency(body: Mapping[str, Any]) -> Efficiency:
    """How checkouts were served."""
    return Efficiency(int(body["idle"]), int(body["opened"]), int(body["waited"]), int(body.get("gave_up") or 0))


@or_garbage
def parse_performance(body: Any) -> Performance:
    """The answer of `performance`."""
    routes = tuple(
        RouteReading(
            _text(each["route"]),
            int(each["requests"]),
            int(each["errors"]),
            float(each["error_percent"]),
            float(each["p50_ms"]),
            float(each["p95_ms"]),
            float(each["p99_ms"]),
        )
        for each in body["routes"][:_ITEMS_KEPT]
    )
    pool = body["pool"]
    return Performance(float(body["window_s"]), routes, _efficiency(pool["window"]), _efficiency(pool["since_start"]))


@or_garbage
def parse_clients(body: Any) -> Clients:
    """The answer of `clients`."""
    items = tuple(
        ClientReading(
            _text(each["name"]),
            bool(each.get("is_signed_in", True)),
            None if each["version"] is None else int(each["version"]),
            _text(each["follows"]),
            None if each["config_age_s"] is None else float(each["config_age_s"]),
            float(each["seen_s"]),
            int(each["requests_last_minute"]),
            int(each["allowed_per_minute"]),
        )
        for each in body["items"][:_ITEMS_KEPT]
    )
    return Clients(int(body["version"]), bool(body["is_binding"]), int(body["most"]), int(body["dropped_total"]), items)


@or_garbage
def parse_sizing(body: Any) -> Sizing:
    """The answer of `sizing`."""
    curve = tuple(
        SizeReading(
            int(each["connections"]),
            float(each["wait_ms_p50"]),
            float(each["wait_ms_p95"]),
            float(each["wait_ms_p99"]),
            float(each["waited_percent"]),
        )
        for each in body["curve"][:_ITEMS_KEPT]
    )
    sample = body["sample"]
    return Sizing(
        checkouts=int(sample["checkouts"]),
        span_s=float(sample["span_s"]),
        left_out=int(sample.get("left_out") or 0),
        is_judged=bool(body["is_judged"]),
        capacity=int(body["capacity"]),
        limit_ms=float(body["limit_ms"]),
        recommended=None if body["recommended"] is None else int(body["recommended"]),
        measured_p99_ms=float(body["measured"]["wait_ms_p99"]),
        curve=curve,
        note=_text(body.get("note") or ""),
    )
