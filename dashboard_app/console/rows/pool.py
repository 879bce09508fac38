"""The pool as rows for `/pool`: verdict, hero figure, reasons, facts. Pure.

`status` is the contract's status answer as last received. Sentences carry the marks of `console/words.py`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard_app.console import theme, words
from dashboard_app.model.pool import Level, PoolHealth

FILLING_WITHIN_S = 3600.0
"""A pool that would be full later than this is not called filling."""
_FULL_SOON_S = 600.0
_STEEP_PER_MIN = 0.5
"""Slopes flatter than this, in points a minute, are noise."""
_FIGURE = re.compile(
    r"\d+(?:[.,\u202f]\d+)*(?: of \d+(?:[.,\u202f]\d+)*)?(?:[ \u00a0](?:%|ms\b|s\b|min\b|h\b|points? a minute|checkouts?|requests?))?"
)
_ATOMS = re.compile(r"(`[^`]+`|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
_MOST_REASONS = 8
_APART_PERCENT = 11.0
"""Marks of the bar closer than this would run into each other."""


@dataclass(frozen=True, slots=True)
class PoolVerdict:
    """The h1 and the sentence under it."""

    title: str = "Reading the pool…"
    lede: str = ""


@dataclass(frozen=True, slots=True)
class PoolHero:
    """The big figure, its badge and its bar. Names ending in `_percent` are places on the bar, 0..100."""

    figure: str = words.UNKNOWN
    word: str = ""
    tone: str = "off"
    icon: str = "circle-dashed"
    bar: str = "n"
    """The fill's class: n, warn, high, bad."""
    in_pool_percent: float = 0.0
    overflow_percent: float = 0.0
    pool_mark_percent: float = 0.0
    pool_mark: str = ""
    peak_mark_percent: float = 0.0
    peak_mark: str = ""
    peak_fits: bool = False
    """Its mark has room between the others; else it stands a line lower."""
    capacity: str = ""
    label: str = ""
    """The bar in words, for who cannot see it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One sentence of why, with an icon for what it is about."""

    icon: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure with its label and a note; `tone` is "" unless the figure needs a person."""

    label: str
    value: str
    unit: str
    note: str
    tone: str = ""


def verdict(status: Mapping[str, Any] | None, *, gone_for_s: float | None, since: str = "", who: str = "") -> PoolVerdict:
    """The page's title and lede.

    `gone_for_s` is how long the guard has not answered (None: it answers), `since` the marked time of the last change of level
    ("" when unknown), `who` the sentences on who fills the pool ("": nobody stands out, or not known).
    """
    if status is None and gone_for_s is None:
        return PoolVerdict()
    if status is None:
        return PoolVerdict("The guard does not answer", "The pool may be fine; this page cannot tell.")
    if gone_for_s is not None:
        silent = words.bold(words.span(gone_for_s))
        lede = f"The guard has not answered for {silent}. The pool may be fine; this page cannot tell."
        return PoolVerdict(f"The pool was {words.percent(status['usage_percent'], 1)} in use", lede)
    if status["status"] == PoolHealth.UNAVAILABLE:
        return _unreachable(status, since)
    return PoolVerdict(_title(status), _lede(status, since, who))


def _unreachable(status: Mapping[str, Any], since: str) -> PoolVerdict:
    """The database is away; the guard is not."""
    pool = status["pool"]
    when = f" since {since}" if since else ""
    held = words.bold(f"{pool['checked_out']} of {pool['capacity']} connections")
    return PoolVerdict(
        "The pool's database cannot be reached", f"Clients are told EMERGENCY{when}. {held} are held. Clean up works without the database."
    )


def _title(status: Mapping[str, Any]) -> str:
    """How full, and which way it goes."""
    pool = status["pool"]
    if pool["checked_out"] >= pool["capacity"]:
        return f"The pool is full: {pool['checked_out']} of {pool['capacity']} in use"
    slope = _slope(status)
    direction = " and filling" if full_in_s(status) is not None else " and emptying" if slope <= -_STEEP_PER_MIN else ""
    return f"The pool is {words.percent(status['usage_percent'], 1)} in use{direction}"


def _slope(status: Mapping[str, Any]) -> float:
    """Points a minute; 0 when there is no forecast."""
    return float((status.get("forecast") or {}).get("slope_percent_per_min") or 0.0)


def full_in_s(status: Mapping[str, Any]) -> float | None:
    """Seconds until nothing is left, when usage rises and that is within the hour; else None."""
    left = (status.get("forecast") or {}).get("exhaustion_in_s")
    if status["pool"]["checked_out"] >= status["pool"]["capacity"]:
        return None
    return float(left) if left is not None and _slope(status) > 0 and left < FILLING_WITHIN_S else None


def _lede(status: Mapping[str, Any], since: str, who: str) -> str:
    """Who fills the pool, what that means for clients, and the worst thing to come."""
    parts = [who] if who else []
    parts += [_told(Level(status["throttling_level"]), since)]
    left, waiting = full_in_s(status), status["pool"]["waiting"]
    if left is not None:
        parts.append(f"At this rate it is full {words.bold(f'in about {words.duration(left)}')}.")
    if waiting:
        parts.append(f"{words.bold(words.plural(waiting, 'request waits', 'requests wait'))} for a connection.")
    elif left is None and not who:
        parts.append("Nobody waits.")
    return " ".join(parts)


def _told(level: Level, since: str) -> str:
    """What the level means for clients."""
    if level is Level.NORMAL:
        return "Clients run at full speed."
    deed = "nearly stopped" if level is Level.EMERGENCY else "slowed"
    return f"Clients were {deed} at {since}." if since else f"Clients are {deed} by {level.value}."


def hero(status: Mapping[str, Any], *, is_live: bool = True) -> PoolHero:
    """The big figure, its badge and its bar; the bar loses its tone when the figures are not live."""
    pool, look = status["pool"], theme.POOL[PoolHealth(status["status"])]
    capacity, pool_size, out = pool["capacity"], pool["size"], pool["checked_out"]
    in_pool, beyond = min(out, pool_size), max(0, out - pool_size)
    peak = min(100.0, status.get("peak_usage_percent") or 0.0)
    label = f"{out} of {capacity} connections in use: {in_pool} of {pool_size} in the pool, {beyond} of {pool['max_overflow']} overflow; peak {words.percent(peak, 1)}"
    return PoolHero(
        figure=f"{status['usage_percent']:.1f}",
        word=look.word,
        tone=look.tone,
        icon=look.icon,
        bar=theme.usage_bar(status["usage_percent"]) if is_live else "n",
        in_pool_percent=_share(in_pool, capacity),
        overflow_percent=_share(beyond, capacity),
        pool_mark_percent=_share(pool_size, capacity),
        pool_mark=f"{pool_size} pool",
        peak_mark_percent=peak,
        peak_mark=f"peak {round(capacity * peak / 100)}",
        peak_fits=_APART_PERCENT < peak < 100 - _APART_PERCENT and abs(peak - _share(pool_size, capacity)) > _APART_PERCENT,
        capacity=str(capacity),
        label=label,
    )


def _share(part: float, whole: float) -> float:
    """`part` of `whole` in percent, for a width."""
    return round(100.0 * part / whole, 2) if whole else 0.0


def with_figure(sentence: str) -> str:
    """`sentence` with its first figure bold, times and identifiers marked, a capital at the start and a full stop at the end."""
    text = sentence.strip()
    text = f"{text[:1].upper()}{text[1:]}"
    text = text if text.endswith((".", "!", "?")) or not text else f"{text}."
    pieces = _ATOMS.split(text)
    is_first = True
    for place, piece in enumerate(pieces):
        if _ATOMS.fullmatch(piece):
            pieces[place] = words.code(piece[1:-1]) if piece.startswith("`") else words.clock(datetime.fromisoformat(piece))
        elif is_first and _FIGURE.search(piece):
            is_first = False
            pieces[place] = _FIGURE.sub(lambda found: words.bold(found[0]), piece, count=1)
    return "".join(pieces)


def reasons(status: Mapping[str, Any], leaks: int = 0) -> list[Reason]:
    """The guard's own reasons first, then what the figures add: leaks, trend, admission. At most eight."""
    told = [str(text) for text in status.get("reasons") or ()]
    said = " ".join(told).lower()
    rows = [Reason(_icon(text), with_figure(text)) for text in told]
    if leaks and "leak" not in said:
        held = words.bold(words.plural(leaks, "checkout"))
        rows.append(Reason("hourglass", f"{held} held for long and running nothing: suspected leaks."))
    slope = _slope(status)
    if abs(slope) >= _STEEP_PER_MIN and "minute" not in said:
        pace = words.bold(f"{abs(slope):.1f} points a minute")
        rows.append(Reason("trending-up", f"Usage {'rises' if slope > 0 else 'falls'} by {pace}."))
    admission = status.get("admission")
    if admission and "places" not in said:
        taken = words.bold(f"{admission['in_flight']} of {admission['limit']}")
        refused = words.count(admission["rejected_total"]) if admission["rejected_total"] else "none"
        rows.append(Reason("users", f"{taken} places for database work are taken; {refused} refused."))
    return rows[:_MOST_REASONS]


_ICONS = (
    ("leak", "hourglass"),
    ("minute", "trending-up"),
    ("in use", "gauge"),
    ("reach", "unplug"),
    ("answer", "unplug"),
    ("wait", "users"),
)


def _icon(text: str) -> str:
    """The icon for what a reason talks about."""
    low = text.lower()
    return next((icon for part, icon in _ICONS if part in low), "gauge")


def facts(status: Mapping[str, Any], *, pool_timeout_s: float | None = None) -> list[Fact]:
    """The seven figures under the hero, always in the same order. `pool_timeout_s` None: the wait's end is not known here."""
    pool, admission = status["pool"], status.get("admission") or {}
    waiting, oldest = pool["waiting"], pool["oldest_wait_s"]
    refused = admission.get("rejected_total", 0)
    nothing_ready = pool["idle"] == 0 and pool["checked_out"] >= pool["size"]
    value, unit = _split(words.duration(oldest)) if oldest else ("0.0", "s")
    end = f"gives up after {words.duration(pool_timeout_s)}" if pool_timeout_s else "the longest at this moment"
    return [
        Fact(
            "In use",
            str(pool["checked_out"]),
            f"/ {pool['capacity']}",
            f"{min(pool['checked_out'], pool['size'])} pool + {max(0, pool['checked_out'] - pool['size'])} overflow",
        ),
        Fact("Idle", str(pool["idle"]), "", "none ready" if nothing_ready else "ready at once", "warn" if nothing_ready else ""),
        Fact("Waiting", str(waiting), "", "for a connection" if waiting else "nobody", "bad" if waiting else ""),
        Fact("Oldest wait", value, unit, end, "warn" if oldest >= 1 else ""),
        Fact(
            "Admitted",
            str(admission.get("in_flight", words.UNKNOWN)),
            f"/ {admission['limit']}" if admission else "",
            "database work at once",
        ),
        Fact("Refused", words.count(refused), "", "since the server started", "warn" if refused else ""),
        _full_in(status),
    ]


def _full_in(status: Mapping[str, Any]) -> Fact:
    """How long until nothing is left."""
    left = full_in_s(status)
    if left is None:
        return Fact("Full in", words.UNKNOWN, "", "not filling")
    value, unit = _split(words.duration(left))
    return Fact("Full in", value, unit, f"at +{_slope(status):.1f} points/min", "bad" if left < _FULL_SOON_S else "warn")


def _split(figure: str) -> tuple[str, str]:
    """A figure without its last unit, and that unit: ("3 min 30", "s")."""
    value, _, unit = figure.rpartition(words.NB)
    return value, unit
