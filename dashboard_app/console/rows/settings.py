"""Every setting as a row: value, default, origin and meaning, in the groups of the contract. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from dashboard_app.console import words
from dashboard_app.model.secret import MASK
from dashboard_app.policy.pacing import Plan
from dashboard_app.runtime.live_settings import LiveSettings, Override
from dashboard_app.settings import PREFIX, Settings, is_built, is_live, masked

_GROUPS = (
    ("Address and data", ("host", "port", "database_url", "database_direct_url", "pg_bin", "data_dir", "environment", "demo")),
    ("Console and other servers", ("backend_url", "backend_token", "public_url", "trusted_proxy_hops", "redis_url")),
    ("Sign-in and secrets", ("secret_key", "admin_", "oidc_", "public_health", "rate_limit_")),
    ("Pool", ("pool_size", "pool_max_", "pool_timeout", "pool_recycle", "pool_pre")),
    ("Guard", ("max_concurrent", "admission_", "pool_monitor", "leak_", "auto_cleanup", "throttle_", "console_auto")),
    ("Loader: health", ("health_",)),
    ("Loader: metrics", ("metrics_",)),
    ("Pace, queue and breaker", ("pace", "queue_", "request_timeout", "breaker_")),
    ("Probes and samples", ("probe_", "samples_", "outbound_")),
    ("Jobs", ("job_",)),
    ("Events", ("event_",)),
    ("Notifications", ("notify_",)),
    ("Server limits and logs", ("limit_", "keep_alive", "ws_", "log_", "live_port", "memory_limit")),
)
_CODE = re.compile("`([^`]+)`")
_BOUND = re.compile(r"must be (greater|less) than or equal to (.+)")
_UNITS = (("_ms", "ms"), ("_s", "s"), ("_bytes", "bytes"), ("_percent", "%"), ("_days", "d"))


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting. `name` is what stands in the environment; `changed` is true when the value is not the default.

    `control` says how it can be changed here: number, flag, choice; empty: it needs a restart. `text` is the value as typed.
    """

    name: str
    value: str
    unit: str
    default: str
    allowed: str
    origin: str
    meaning: str
    built: bool
    changed: bool
    field: str = ""
    control: str = ""
    text: str = ""
    choices: tuple[str, ...] = ()
    is_override: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the review: what a setting is now and what it would be; `effect` in words, "" when there is nothing to add."""

    name: str
    old: str
    new: str
    effect: str = ""


@dataclass(frozen=True, slots=True)
class SettingGroup:
    """Settings that belong together."""

    title: str
    rows: list[SettingRow]


def groups(live: LiveSettings) -> list[SettingGroup]:
    """Every setting once, in groups; what no group names stands under "More"."""
    named = {field: title for title, starts in _GROUPS for field in Settings.model_fields if field.startswith(starts)}
    titles = [title for title, _ in _GROUPS] + ["More"]
    grouped: dict[str, list[SettingRow]] = {title: [] for title in titles}
    for field, info in Settings.model_fields.items():
        grouped[named.get(field, "More")].append(_row(field, info, live))
    return [SettingGroup(title, rows) for title, rows in grouped.items() if rows]


def _row(field: str, info: FieldInfo, live: LiveSettings) -> SettingRow:
    """One setting as a row, its secret masked."""
    origin, override = live.start.origins.get(field, "default"), live.overrides.get(field)
    current = getattr(live.values, field)
    value, default = _shown(field, current), _shown(field, info.default)
    control = _control(info)
    return SettingRow(
        name=f"{PREFIX}{field.upper()}",
        value=value,
        unit=_unit(field) if value != _UNSET else "",
        default=default,
        allowed=_allowed(info),
        origin=_origin(origin, override),
        meaning=_CODE.sub(lambda found: words.code(found[1]), info.description or ""),
        built=is_built(info),
        changed=origin != "default" or override is not None,
        field=field,
        control=control,
        text=typed(current) if control else "",
        choices=_choices(info) if control == "choice" else (),
        is_override=override is not None,
    )


_ORIGINS = {"default": "default", "demo": "preset by the demo", ".env": "set in .env"}


def _origin(origin: str, override: Override | None) -> str:
    """Where a value came from, in words."""
    if override is not None:
        return f"changed here by {override.by}, {words.clock(override.at)}"
    return _ORIGINS.get(origin, f"set in the {origin}")


def _control(info: FieldInfo) -> str:
    """How a setting is changed here; "" when it needs a restart."""
    if not is_live(info):
        return ""
    return "flag" if info.annotation is bool else "choice" if _choices(info) else "number"


def _choices(info: FieldInfo) -> tuple[str, ...]:
    """The words a setting may have; none for a number."""
    return tuple(str(one) for one in get_args(info.annotation))


def typed(value: object) -> str:
    """A value as a person types it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def changes(live: LiveSettings, wanted: Mapping[str, object], sources: int) -> list[Change]:
    """What `wanted` (field → value, None: back to the start's) would change, with its effect on a round of `sources`."""
    after = live.judged({name: one.value for name, one in live.overrides.items() if name not in wanted} | _without_resets(wanted))
    return [
        Change(
            field.upper(),
            _with_unit(field, getattr(live.values, field)),
            _with_unit(field, getattr(after, field)),
            _effect(field, live.values, after, sources),
        )
        for field in wanted
    ]


def _without_resets(wanted: Mapping[str, object]) -> dict[str, object]:
    """The values of `wanted`; what goes back to the start's has none."""
    return {name: value for name, value in wanted.items() if value is not None}


def _with_unit(field: str, value: object) -> str:
    """A value with its unit."""
    unit = _unit(field)
    return f"{_shown(field, value)}{words.NB}{unit}" if unit else _shown(field, value)


_PLAN_PARTS = ("_batch_size", "_stagger_ms", "_batch_delay_ms")


def _effect(field: str, before: Settings, after: Settings, sources: int) -> str:
    """What a change of a lane's plan means for one round; "" for anything else."""
    lane = field.partition("_")[0]
    if lane not in ("health", "metrics") or not field.endswith(_PLAN_PARTS) or not sources or after.pace != "batched":
        return ""
    now_s, then_s = (plan_of(one, lane).least_round_s(sources) for one in (before, after))
    return f"a round of {words.count(sources)} takes at least {words.duration(then_s)} instead of {words.duration(now_s)}"


def plan_of(settings: Settings, lane: str) -> Plan:
    """The plan of one lane, "health" or "metrics"."""
    size, stagger_ms, delay_ms = (getattr(settings, f"{lane}{part}") for part in _PLAN_PARTS)
    return Plan(size, stagger_ms / 1000.0, delay_ms / 1000.0)


_UNSET = "not set"


def _shown(field: str, value: object) -> str:
    """A value as text; dots for a secret, words for nothing and for flags."""
    if value is None or value == "":
        return _UNSET
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return words.count(value) if field != "port" else str(value)
    return masked(field, value)


def _unit(field: str) -> str:
    """The unit a name ends in; "" when it counts things or says words."""
    return next((unit for suffix, unit in _UNITS if field.endswith(suffix)), "")


def _allowed(info: FieldInfo) -> str:
    """The allowed range in words, from the field's own bounds; "" when any text will do."""
    bounds: Mapping[str, Any] = {
        name: getattr(mark, name) for mark in info.metadata for name in ("ge", "le") if getattr(mark, name, None) is not None
    }
    if not bounds:
        return ""
    low, high = bounds.get("ge"), bounds.get("le")
    if low is not None and high is not None:
        return f"{low:,g} to {high:,g}".replace(",", words.THIN) if high < 1e6 else f"{low:g} and more"  # noqa: PLR2004 - no real limit
    return f"{low:g} and more" if low is not None else f"up to {high:g}"


def title(shown: list[SettingGroup]) -> str:
    """The page's verdict: how many settings differ from their defaults."""
    rows = [row for group in shown for row in group.rows]
    changed = sum(1 for row in rows if row.changed)
    return f"{changed or 'None'} of {len(rows)} settings {'is' if changed == 1 else 'are'} set by you; the rest are defaults"


def mistake(field: str, text: str, said: str) -> str:
    """What is wrong with what was typed: 0.05 is below 0.1 s."""
    if not text:
        return f"Nothing typed: {said}"
    if (bound := _BOUND.fullmatch(said)) is None:
        return f"{text}: {said}"
    unit = _unit(field)
    return f"{text} is {'below' if bound[1] == 'greater' else 'above'} {bound[2]}" + (f"{words.NB}{unit}" if unit else "")
