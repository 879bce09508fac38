"""What the guard has measured as rows for `/pool`: routes the worst first, how checkouts were served, who follows. Pure."""

from dataclasses import dataclass

from dashboard_app.console import words
from dashboard_app.console.client.measured import ClientReading, Clients, Efficiency, Performance, RouteReading
from dashboard_app.console.rows.pool import Fact

MOST_ROUTES = 12
MOST_CLIENTS = 20
SLOW_MS = 1000.0
"""A route whose 99th percentile is above this is worth a look."""
_LEAST_TO_JUDGE = 20
"""Of fewer answers a single slow one would make the verdict."""
_MANY_WAITED_PERCENT = 1.0


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route; `tone` is "" unless it needs a look, then `verdict` says why."""

    route: str
    requests: str
    errors: str
    p50: str
    p95: str
    p99: str
    tone: str = ""
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class ClientRow:
    """One client: does it follow, on which version, how old is that, how much it asks."""

    name: str
    word: str
    tone: str
    icon: str
    version: str
    age: str
    requests: str
    is_over: bool
    note: str = ""


def routes(performance: Performance) -> list[RouteRow]:
    """At most twelve, in the order of the server: the worst first."""
    return [_route(reading) for reading in performance.routes[:MOST_ROUTES]]


def _route(reading: RouteReading) -> RouteRow:
    """One route."""
    tone, verdict = _judged(reading)
    errors = words.percent(reading.error_percent, 1) if reading.errors else "none"
    p50, p95, p99 = (words.duration(value / 1000) for value in (reading.p50_ms, reading.p95_ms, reading.p99_ms))
    return RouteRow(reading.route, words.count(reading.requests), errors, p50, p95, p99, tone=tone, verdict=verdict)


def _judged(reading: RouteReading) -> tuple[str, str]:
    """Tone and word for a route that fails or is slow."""
    if reading.errors:
        return "bad", "Fails"
    is_slow = reading.requests >= _LEAST_TO_JUDGE and reading.p99_ms >= SLOW_MS
    return ("warn", "Slow") if is_slow else ("", "")


def routes_heading(performance: Performance) -> str:
    """What stands beside the title of the routes."""
    total, over = len(performance.routes), words.span(performance.window_s)
    shown = f"the worst {MOST_ROUTES} of {total} routes" if total > MOST_ROUTES else words.plural(total, "route")
    return f"{shown}, last {over}"


def efficiency(performance: Performance) -> list[Fact]:
    """How the last checkouts were served, three shares and their numbers; the note tells the totals."""
    now, ever = performance.window, performance.since_start
    over = words.span(performance.window_s)
    waits = _share(now, now.waited)
    many = now.checkouts > 0 and 100 * now.waited / now.checkouts >= _MANY_WAITED_PERCENT
    return [
        Fact("Checkouts", words.count(now.checkouts), "", f"last {over}; {words.count(ever.checkouts)} since the start"),
        Fact("From an idle one", *_share(now, now.idle), f"{words.count(now.idle)}, without a wait"),
        Fact("Opened one first", *_share(now, now.opened), f"{words.count(now.opened)}, the pool grew or one had died"),
        Fact("Waited", *waits, f"{words.count(now.waited)}, none was free", "warn" if many else ""),
        Fact("Gave up", words.count(now.gave_up), "", f"{words.count(ever.gave_up)} since the start", "bad" if now.gave_up else ""),
    ]


def _share(whole: Efficiency, part: int) -> tuple[str, str]:
    """A share of all checkouts as figure and unit; a dash when there was none."""
    return (f"{100 * part / whole.checkouts:.1f}", "%") if whole.checkouts else (words.UNKNOWN, "")


_FOLLOWS = {
    "current": ("Follows", "ok", "circle-check"),
    "behind": ("Behind", "warn", "clock"),
    "stale": ("Stale", "bad", "octagon-x"),
    "unknown": ("Does not say", "off", "circle-dashed"),
}


def clients(told: Clients) -> list[ClientRow]:
    """At most twenty, in the order of the server: who does not follow first."""
    return [_client(reading, told) for reading in told.items[:MOST_CLIENTS]]


def _client(reading: ClientReading, told: Clients) -> ClientRow:
    """One client."""
    word, tone, icon = _FOLLOWS.get(reading.follows, (reading.follows, "off", "circle-dashed"))
    allowed = f"of {words.count(reading.allowed_per_minute)}" if told.is_binding else "no limit now"
    return ClientRow(
        name=reading.name,
        word=word,
        tone=tone,
        icon=icon,
        version=words.UNKNOWN if reading.version is None else str(reading.version),
        age=words.UNKNOWN if reading.config_age_s is None else words.span(reading.config_age_s),
        requests=f"{words.count(reading.requests_last_minute)} {allowed}",
        is_over=told.is_binding and reading.requests_last_minute > reading.allowed_per_minute,
        note="" if reading.is_signed_in else "not signed in",
    )


def clients_heading(told: Clients) -> str:
    """What stands beside the title of the clients: the version that holds, how many follow it, who is not shown."""
    follow = sum(reading.follows == "current" for reading in told.items)
    parts = [f"version {told.version} holds", f"{follow} of {words.plural(len(told.items), 'client')} on it"]
    if len(told.items) > MOST_CLIENTS:
        parts.append(f"the first {MOST_CLIENTS} shown")
    if told.dropped_total:
        parts.append(f"{words.count(told.dropped_total)} forgotten: {told.most} are kept")
    return " · ".join(parts)
