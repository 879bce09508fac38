"""The wall screen's title and tiles: read across a room, so few words, the worst first. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard_app.console import theme, words
from dashboard_app.console.rows.sources import observed, predicate
from dashboard_app.model.health import CheckStatus, Health, HealthStatus
from dashboard_app.model.source import Source

TILES_AT_MOST = 60
"""Past so many sources only those that need a person get a tile, and of those no more than this."""
OLD_S = 15.0
"""Age from which the wall says in large letters how old its data is."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One source. `why` is empty for a healthy one; `is_wrong`: unhealthy or degraded."""

    id: int
    name: str
    status: str
    word: str
    tone: str
    icon: str
    why: str
    is_wrong: bool


@dataclass(frozen=True, slots=True)
class WallTitle:
    """The verdict in two parts, "2 of 24" and "DOWN", with the tone of the frame."""

    amount: str = ""
    word: str = ""
    tone: str = "off"
    icon: str = "circle-dashed"


def title(sources: Sequence[Source], healths: Mapping[int, Health], *, is_fallback: bool) -> WallTitle:
    """What a person in the doorway must know; in the past tense while last known values are shown."""
    watched = [source for source in sources if source.enabled]
    total = words.count(len(watched))
    if not watched:
        return WallTitle("No sources", "WATCHED")
    if not any(source.id in healths for source in watched):
        return WallTitle(total, "NOT READ YET")
    found = [_status(source, healths) for source in watched]
    down = found.count(HealthStatus.UNHEALTHY)
    look = found.count(HealthStatus.DEGRADED) + found.count(HealthStatus.UNKNOWN)
    if down:
        return _titled(f"{words.count(down)} of {total}", "WERE DOWN" if is_fallback else "DOWN", HealthStatus.UNHEALTHY)
    if look:
        needs = "NEEDED A LOOK" if is_fallback else "NEEDS A LOOK" if look == 1 else "NEED A LOOK"
        worst = HealthStatus.DEGRADED if HealthStatus.DEGRADED in found else HealthStatus.UNKNOWN
        return _titled(f"{words.count(look)} of {total}", needs, worst)
    return _titled(f"All {total}", "WERE HEALTHY" if is_fallback else "HEALTHY", HealthStatus.HEALTHY)


def tile(source: Source, health: Health | None) -> Tile:
    """One source as a tile; `health` None: never checked."""
    status = health.status if health else HealthStatus.UNKNOWN
    look = theme.STATUS[status] if source.enabled else theme.PAUSED
    is_wrong = source.enabled and status in (HealthStatus.UNHEALTHY, HealthStatus.DEGRADED)
    why = in_short(health) if source.enabled and health is not None else ""
    return Tile(source.id, source.name, status.value if source.enabled else "paused", look.word, look.tone, look.icon, why, is_wrong)


def in_short(health: Health) -> str:
    """Why, in about three words: refuses connections · replication lag 42 s; empty for a healthy one."""
    if health.status is HealthStatus.HEALTHY:
        return ""
    for verdict in (CheckStatus.FAIL, CheckStatus.WARN):
        for check in health.checks:
            if check.status is verdict and (check.name != "connect" or verdict is CheckStatus.WARN):
                if isinstance(check.observed, str) and check.observed:
                    return check.observed
                return f"{check.name.replace('_', ' ')} {observed(check.observed, check.unit)}".strip()
    return predicate(health) if health.status is HealthStatus.UNHEALTHY else health.status.value


def worth_a_tile(sources: Sequence[Source], healths: Mapping[int, Health]) -> tuple[list[Source], list[Source]]:
    """The sources that get a tile, and those left out, each in the order given (worst first)."""
    if len(sources) <= TILES_AT_MOST:
        return list(sources), []
    wrong = [one for one in sources if one.enabled and _status(one, healths) is not HealthStatus.HEALTHY][:TILES_AT_MOST]
    shown = {one.id for one in wrong}
    return wrong, [one for one in sources if one.id not in shown]


def rest_words(left_out: Sequence[Source], healths: Mapping[int, Health]) -> str:
    """What has no tile, by state: and 48 healthy, 2 paused; empty when nothing was left out."""
    watched = [_status(one, healths) for one in left_out if one.enabled]
    parts = [f"{words.count(watched.count(status))} {status.value}" for status in theme.WORST_FIRST if status in watched]
    if paused := len(left_out) - len(watched):
        parts.append(f"{words.count(paused)} paused")
    return f"and {', '.join(parts)}" if parts else ""


def _titled(amount: str, word: str, status: HealthStatus) -> WallTitle:
    """A title in the look of `status`."""
    look = theme.STATUS[status]
    return WallTitle(amount, word, look.tone, look.icon)


def _status(source: Source, healths: Mapping[int, Health]) -> HealthStatus:
    """A source that was never checked is unknown."""
    return healths[source.id].status if source.id in healths else HealthStatus.UNKNOWN
