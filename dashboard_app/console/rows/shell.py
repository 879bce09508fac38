"""What the frame of every page shows: level, pool, breaker, round, banner and counts, as display rows. Pure.

Ages are seconds at the moment of writing and never count as a change: the browser ages them by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dashboard_app.console import theme, words
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.feed import FeedState
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.pool import Level, PoolHealth, ThrottlingConfig


@dataclass(frozen=True, slots=True)
class LevelVital:
    """The throttling level of the header. `word` is the bare level name, a dash before the first answer."""

    word: str = words.UNKNOWN
    label: str = "Level"
    tone: str = "off"
    icon: str = "gauge"
    title: str = ""


@dataclass(frozen=True, slots=True)
class PoolVital:
    """The pool of the header. `percent` as the contract says it; `bar` is the class of the fill; `old` true: `age_s` is shown."""

    text: str = words.UNKNOWN
    percent: float = 0.0
    bar: str = "n"
    old: bool = False
    stamp: str = ""
    age_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class BreakerVital:
    """The worst breaker. `trial_s` counts down in the browser while `counts` is true; `note` stands in its place otherwise."""

    state: str = BreakerState.CLOSED.value
    word: str = words.UNKNOWN
    tone: str = "off"
    icon: str = "shield-check"
    note: str = ""
    counts: bool = False
    title: str = ""
    stamp: str = ""
    trial_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class FeedVital:
    """The live feed of the header. `dot` is the class of its mark."""

    word: str = words.UNKNOWN
    dot: str = "off"
    title: str = ""


@dataclass(frozen=True, slots=True)
class Banner:
    """The fallback banner. `next_step` is one of next (a countdown), trying, never, soon."""

    since: str = ""
    cause: str = ""
    next_step: str = "soon"
    stamp: str = ""
    has_values: bool = False
    youngest_s: float = field(default=0.0, compare=False)
    oldest_s: float = field(default=0.0, compare=False)
    next_s: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class NavCounts:
    """What is wrong, beside its page's name; empty: nothing is."""

    sources: str = ""
    pool: str = ""
    pool_tone: str = "off"
    alerts: str = ""


TOASTS_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class Toast:
    """The result of the user's own action, or an alert that has just opened; `href`: where there is more to see.

    `paused_id`: the source whose pause it offers to undo; `alert_id`: the alert whose `alert_act` (acknowledge, silence); 0: no Undo.
    """

    id: int
    text: str
    tone: str = "ok"
    paused_id: int = 0
    alert_id: int = 0
    alert_act: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class BreakerFacts:
    """What this page needs to know of one breaker. `retry_s` seconds to the next trial; `by` and `at` when a person set it."""

    name: str
    state: BreakerState
    retry_s: float | None = None
    retry_stamp: str = ""
    by: str = ""
    at: datetime | None = None
    reason: str = ""


_BREAKER_RANK = (
    BreakerState.FORCED_OPEN,
    BreakerState.OPEN,
    BreakerState.HALF_OPEN,
    BreakerState.DISABLED,
    BreakerState.METRICS_ONLY,
    BreakerState.CLOSED,
)


def level_vital(config: ThrottlingConfig | None, age_s: float | None, poll_s: float) -> LevelVital:
    """The level as this console acts on it: past ttl + one poll it is assumed to be at least MODERATE."""
    if config is None or age_s is None:
        return LevelVital(title="The server has not said its level yet")
    limits = (
        f"Version {config.version}: at most {config.max_concurrent_requests} at once, "
        f"{config.max_requests_per_minute} a minute, {config.request_delay_ms}{words.NB}ms apart"
    )
    if age_s <= config.ttl_s + poll_s:
        look = theme.LEVEL[config.level]
        return LevelVital(look.word, "Level", look.tone, "gauge", f"Told to every client. {limits}")
    order = list(Level)
    assumed = max(config.level, Level.MODERATE, key=order.index)
    look = theme.LEVEL[assumed]
    title = f"The last level, {config.level}, is older than {words.span(config.ttl_s)}, so this console behaves as at {assumed}"
    return LevelVital(look.word, "Level, assumed", look.tone, "gauge", title)


def pool_vital(status: Mapping[str, Any] | None, age_s: float | None, *, is_fallback: bool, stamp: str = "") -> PoolVital:
    """The pool's use from the last status answer; marked with its age when it is not live."""
    if status is None:
        return PoolVital()
    pool, percent = status["pool"], float(status["usage_percent"])
    old = is_fallback or (age_s or 0.0) > _POOL_OLD_S
    return PoolVital(
        f"{words.count(pool['checked_out'])} / {words.count(pool['capacity'])}",
        percent,
        "n" if old else theme.usage_bar(percent),
        old,
        stamp if old else "",
        age_s or 0.0,
    )


_POOL_OLD_S = 60.0
"""The status is read every second while somebody watches; a minute without one is not live."""


def breaker_vital(breakers: Iterable[BreakerFacts]) -> BreakerVital:
    """The worst of the breakers, all of them in the title."""
    known = sorted(breakers, key=lambda facts: _BREAKER_RANK.index(facts.state))
    if not known:
        return BreakerVital()
    worst = known[0]
    look = theme.BREAKER[worst.state]
    title = " · ".join(f"{facts.name}: {theme.BREAKER[facts.state].word.lower()}" for facts in known)
    counts = worst.state is BreakerState.OPEN and worst.retry_s is not None
    note = ""
    if worst.state is BreakerState.FORCED_OPEN and worst.by:
        note = f"by {worst.by}" + (f", {words.clock(worst.at)}" if worst.at else "")
    return BreakerVital(
        worst.state.value, look.word, look.tone, look.icon, note, counts, title, worst.retry_stamp if counts else "", worst.retry_s or 0.0
    )


def feed_vital(state: FeedState, poll_s: float) -> FeedVital:
    """How news comes here; figures are read by polling in any case."""
    every = f"every {words.span(poll_s)}"
    if state is FeedState.CONNECTED:
        return FeedVital("Connected", "on", f"News comes at once; the pool's figures are read {every}")
    if state is FeedState.RECONNECTING:
        return FeedVital("Reconnecting", "off", f"The live feed is away and is tried again; until then everything is read {every} or more")
    return FeedVital(f"Polling {every}", "off", "There is no live feed: its breaker is open, or the server has none")


def banner_cause(cause: str, status_code: int | None, problem_code: str, timeout_s: float, forced: BreakerFacts | None = None) -> str:
    """Why fallback data is shown, as a sentence; `cause` is a word of `Fallback`."""
    if cause == "forced" and forced is not None:
        who = forced.by or "Someone"
        at = f" at {words.clock(forced.at)}" if forced.at else ""
        return f"{who} opened the breaker{at}" + (f": {forced.reason}." if forced.reason else ".")
    if cause == "refused":
        return "Nothing listens at the server's address."
    if cause == "timeout":
        return f"The server took longer than {words.duration(timeout_s)}."
    if cause == "unauthorized":
        return "The server refused this console's token."
    if cause == "unavailable":
        return f"The server cannot reach its database ({words.code(problem_code or 'database_unavailable')})."
    detail = " ".join(part for part in (str(status_code or ""), problem_code) if part)
    is_answer = status_code is not None and status_code < 400  # noqa: PLR2004 - HTTP's own number
    what = "answers, but nothing this console can read" if is_answer else "does not answer"
    return f"The server {what} ({words.code(detail)})." if detail else f"The server {what}."


def nav_counts(statuses: Iterable[HealthStatus], status: Mapping[str, Any] | None, alerts: int = 0) -> NavCounts:
    """How many sources are down, how full the pool is once it is no longer healthy, and how many alerts are open."""
    down = sum(1 for state in statuses if state is HealthStatus.UNHEALTHY)
    pool, tone = "", "off"
    if status is not None and status["status"] != PoolHealth.HEALTHY:
        pool = words.percent(float(status["usage_percent"]))
        tone = theme.LEVEL[Level(status["throttling_level"])].tone
        if status["status"] == PoolHealth.UNAVAILABLE:
            pool = "away"
    return NavCounts(words.chip(down) if down else "", pool, tone, words.chip(alerts) if alerts else "")


def with_toast(toasts: list[Toast], newest: Toast) -> list[Toast]:
    """The corner with one result more, the newest last; the oldest leaves when there would be more than three."""
    return [*toasts, newest][-TOASTS_AT_MOST:]


def initials(name: str) -> str:
    """Two letters for the avatar: AR for Ana Ruiz, AN for ana@example.org."""
    parts = [part for part in name.replace("@", " ").replace(".", " ").split() if part]
    if "@" not in name and len(parts) > 1:
        return (parts[0][0] + parts[-1][0]).upper()
    return (parts[0][:2] if parts else "?").upper()
