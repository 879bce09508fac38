"""The title of the source list as a sentence an operator could read out on the phone, and the line under it. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from dashboard_app.console import words
from dashboard_app.console.rows.sources import predicate
from dashboard_app.model.health import Health, HealthStatus
from dashboard_app.model.source import Source

_NAMED = 2


def verdict(sources: Sequence[Source], healths: Mapping[int, Health], fallback_since: datetime | None = None) -> str:
    """How many sources are down or need a look; in the past tense, with the time, when `fallback_since` is given."""
    watched = [source for source in sources if source.enabled]
    if not sources:
        return "No sources yet"
    if not watched:
        return "The only source is paused" if len(sources) == 1 else f"All {words.plural(len(sources), 'source')} are paused"
    if not any(source.id in healths for source in watched):
        return f"Reading {words.plural(len(watched), 'source')}…"
    return _judged(watched, _counter(watched, healths), fallback_since)


def _judged(watched: Sequence[Source], count: Mapping[HealthStatus, int], fallback_since: datetime | None) -> str:
    """The verdict on sources of which at least one was checked."""
    total, were = len(watched), "were" if fallback_since else "are"
    at = f" at {words.clock(fallback_since)}" if fallback_since else ""
    down, look = count[HealthStatus.UNHEALTHY], count[HealthStatus.DEGRADED] + count[HealthStatus.UNKNOWN]
    if total == 1:
        word = "down" if down else next(status.value for status, number in count.items() if number)
        return f"{watched[0].name} {_be(1, were)} {word}{at}"
    if down and down + count[HealthStatus.UNKNOWN] == total:
        return "No source answered in the last round" + (f" before {words.clock(fallback_since)}" if fallback_since else "")
    if down:
        return f"{down} of {_sources(total)} {_be(down, were)} down{at}"
    if look:
        needs = "needed" if fallback_since else "needs" if look == 1 else "need"
        return f"{look} of {_sources(total)} {needs} a look{at}"
    return f"All {_sources(total)} {were} healthy{at}"


def lede(sources: Sequence[Source], healths: Mapping[int, Health], *, is_fallback: bool = False) -> str:
    """The worst by name and since when, then how many are in each other state."""
    watched = [source for source in sources if source.enabled]
    down = [source for source in watched if source.id in healths and healths[source.id].status is HealthStatus.UNHEALTHY]
    down.sort(key=lambda source: source.name.casefold())
    named = [_named(source, healths[source.id]) for source in down[:_NAMED]]
    if len(down) > _NAMED:
        named.append(f"{words.count(len(down) - _NAMED)} more {'is' if len(down) - _NAMED == 1 else 'are'} down")
    count = _counter(watched, healths)
    states = [
        f"{words.count(count[status])} {status.value}"
        for status in (HealthStatus.DEGRADED, HealthStatus.UNKNOWN, HealthStatus.HEALTHY)
        if count[status]
    ]
    if len(watched) == count[HealthStatus.HEALTHY] == len(sources):
        return ""  # the title says it all
    if paused := len(sources) - len(watched):
        states.append(f"{words.count(paused)} paused")
    parts = [part for part in ("; ".join(named), ", ".join(states)) if part]
    text = "".join(f"{part}. " for part in parts).strip()
    return f"At that time: {text}" if is_fallback and text else text


def _counter(watched: Sequence[Source], healths: Mapping[int, Health]) -> dict[HealthStatus, int]:
    """How many watched sources are in each state; never checked counts as unknown."""
    count = dict.fromkeys(HealthStatus, 0)
    for source in watched:
        count[healths[source.id].status if source.id in healths else HealthStatus.UNKNOWN] += 1
    return count


def _named(source: Source, health: Health) -> str:
    """A source that is down, what it does and since when."""
    since = f" since {words.clock(health.since)}" if health.since else ""
    return f"{words.bold(source.name)} {predicate(health)}{since}"


def _sources(total: int) -> str:
    return words.plural(total, "source")


def _be(number: int, were: str) -> str:
    """The verb in number and tense."""
    if number == 1:
        return "was" if were == "were" else "is"
    return were
