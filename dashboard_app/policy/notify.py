"""What is worth telling, to whom, and when: pure rules over notices."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from dashboard_app.model.alert import Severity
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.health import HealthStatus
from dashboard_app.model.notification import ChannelSettings, Notice, QuietHours, Topic

OPENED, RESOLVED, PASSED = "opened", "resolved", "passed"
"""What becomes of an alert; passed: it opened and was over within one message."""
_BROKEN = frozenset({BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.FORCED_OPEN})


def source_severity(was: str, became: str) -> Severity | None:
    """How much a change of a source matters; None: nobody needs to hear of it. To recover matters as much as what is over."""
    if was == became or (was == HealthStatus.UNKNOWN and became == HealthStatus.HEALTHY):
        return None
    return Severity.WARNING if HealthStatus.UNHEALTHY in (was, became) else Severity.INFO


def breaker_severity(was: str, became: str) -> Severity | None:
    """How much a move of a breaker matters; None: nobody needs to hear of it. A trial and its failure are part of being open."""
    if became in (was, BreakerState.HALF_OPEN) or (was, became) == (BreakerState.HALF_OPEN, BreakerState.OPEN):
        return None
    return Severity.WARNING if _BROKEN & {was, became} else Severity.INFO


def is_wanted(settings: ChannelSettings, notice: Notice) -> bool:
    """True when the channel is told of such things."""
    return settings.enabled and notice.topic in settings.topics and notice.severity.rank >= settings.least.rank


def waits(settings: ChannelSettings, notice: Notice, now: datetime) -> bool:
    """True when the quiet hours keep the notice back: everything but what is critical."""
    return notice.severity is not Severity.CRITICAL and quiet_until(settings.quiet, now) is not None


def zone_of(name: str) -> tzinfo:
    """The time zone of that name. UTC needs no table of zones.

    Raises:
        ValueError: this machine knows no such zone.

    """
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(name) from None


def quiet_until(quiet: QuietHours | None, now: datetime) -> datetime | None:
    """When the quiet hours that `now` lies in are over; None: it lies in none, or the zone is not known here."""
    if quiet is None:
        return None
    try:
        zone = zone_of(quiet.zone)
    except ValueError:
        return None
    local = now.astimezone(zone)
    clock = local.time()
    is_over_midnight = quiet.end <= quiet.begin
    inside = clock >= quiet.begin or clock < quiet.end if is_over_midnight else quiet.begin <= clock < quiet.end
    if not inside:
        return None
    day = local.date() + timedelta(days=1) if is_over_midnight and clock >= quiet.begin else local.date()
    end = datetime.combine(day, quiet.end, tzinfo=zone)
    if end.astimezone(UTC) <= now:  # the hour that comes twice when clocks are set back: the second of the two
        end = end.replace(fold=1)
    return end.astimezone(UTC)


def collapsed(notices: Iterable[Notice]) -> list[Notice]:
    """One notice for each thing, in the order of the first ones: from how it was at first to how it is at last."""
    known: dict[str, Notice] = {}
    for notice in notices:
        first = known.get(notice.key)
        known[notice.key] = notice if first is None else _joined(first, notice)
    return list(known.values())


def _joined(first: Notice, last: Notice) -> Notice:
    """Two notices about one thing as one."""
    severity = max(first.severity, last.severity, key=lambda severity: severity.rank)
    is_passed = last.topic is Topic.ALERTS and (first.became, last.became) == (OPENED, RESOLVED)
    is_held = first.is_held or last.is_held
    return replace(last, was=first.was, became=PASSED if is_passed else last.became, severity=severity, is_held=is_held)


def worst(notices: Sequence[Notice]) -> Severity:
    """The severity of the worst; info for none."""
    return max((notice.severity for notice in notices), key=lambda severity: severity.rank, default=Severity.INFO)
