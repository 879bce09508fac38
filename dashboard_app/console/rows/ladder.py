"""What clients are told: the four rungs, and the six values that hold now with what each means. Pure."""

from dataclasses import dataclass

from dashboard_app.console import theme, words
from dashboard_app.model.pool import Level, ThrottlingConfig
from dashboard_app.policy.throttle import ALLOWANCES, CALM_S, falls_below


@dataclass(frozen=True, slots=True)
class Rung:
    """One level as clients are told it; `current` marks the one that holds now."""

    level: str
    tone: str
    icon: str
    bound: str
    at_once: str
    per_minute: str
    apart: str
    current: bool


@dataclass(frozen=True, slots=True)
class ConfigValue:
    """One value of throttling-config, and what it means to a client."""

    name: str
    value: str
    meaning: str
    tone: str = ""


def rungs(config: ThrottlingConfig | None) -> list[Rung]:
    """The four levels, mildest first; the current one shows the values it was really sent with."""
    return [_rung(level, config if config is not None and config.level is level else None) for level in Level]


def _rung(level: Level, config: ThrottlingConfig | None) -> Rung:
    """One row; `config` is given for the level that holds now."""
    look, plan = theme.LEVEL[level], ALLOWANCES[level]
    at_once, per_minute, apart_ms = plan.max_concurrent_requests, plan.max_requests_per_minute, plan.request_delay_ms
    if config is not None:
        at_once, per_minute, apart_ms = config.max_concurrent_requests, config.max_requests_per_minute, config.request_delay_ms
    bound = (
        f"below {words.percent(ALLOWANCES[Level.MODERATE].from_percent)}"
        if level is Level.NORMAL
        else f"from {words.percent(plan.from_percent)}"
    )
    apart = words.duration(apart_ms / 1000) if apart_ms >= 1000 else f"{apart_ms}{words.NB}ms"  # noqa: PLR2004 - a second
    return Rung(level.value, look.tone, look.icon, bound, str(at_once), str(per_minute), apart, config is not None)


def hint(level: Level, *, reachable: bool) -> str:
    """How clients come back to full speed from `level`."""
    if level is Level.NORMAL:
        return "Nobody is slowed. From 70\u00a0% usage clients hear so with their very next answer."
    if not reachable:
        return "Falls back at once when the database answers again, to the level that usage calls for."
    milder = list(Level)[list(Level).index(level) - 1]
    return f"Falls back to {milder.value} or lower once usage has stayed at or below {words.percent(falls_below(level))} for {words.duration(CALM_S)}."


def values(config: ThrottlingConfig) -> list[ConfigValue]:
    """The six values as they hold now, by the names that clients read."""
    tone = "" if config.level is Level.NORMAL else theme.LEVEL[config.level].tone
    binding = config.level is not Level.NORMAL
    bind = "binds now" if binding else "binds from MODERATE on"
    return [
        ConfigValue(
            "max_concurrent_requests", str(config.max_concurrent_requests), f"Requests one client may have in flight; {bind}.", tone
        ),
        ConfigValue("max_requests_per_minute", str(config.max_requests_per_minute), "Starts a minute; a bulk read counts as one.", tone),
        ConfigValue("request_delay_ms", f"{words.count(config.request_delay_ms)}{words.NB}ms", "Least time between two starts.", tone),
        ConfigValue(
            "circuit_breaker_open",
            _yes(config.circuit_breaker_open),
            "Open: background loading stops, clicks go on slowly.",
            _alarm(config.circuit_breaker_open),
        ),
        ConfigValue(
            "emergency_mode_active",
            _yes(config.emergency_mode_active),
            "True: usage is 90 % or more, or the database is away.",
            _alarm(config.emergency_mode_active),
        ),
        ConfigValue("alert", config.alert or "none", "How loud this is: none, info, warning, critical.", tone),
    ]


def _yes(flag: bool) -> str:
    """The word clients read for a flag."""
    return "true" if flag else "false"


def _alarm(flag: bool) -> str:
    """A flag that is set needs a person."""
    return "bad" if flag else ""
