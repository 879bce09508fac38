"""Every setting as a row: value, default, origin and meaning, in the groups of the contract. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from dashboard_app.console import words
from dashboard_app.model.secret import MASK
from dashboard_app.settings import PREFIX, LoadedSettings, Settings, is_built, masked

_GROUPS = (
    ("Address and data", ("host", "port", "database_url", "database_direct_url", "pg_bin", "data_dir", "environment", "demo")),
    ("Console and other servers", ("backend_url", "backend_token", "public_url", "trusted_proxy_hops", "redis_url")),
    ("Sign-in and secrets", ("secret_key", "admin_", "public_health", "rate_limit_")),
    ("Pool", ("pool_size", "pool_max_", "pool_timeout", "pool_recycle", "pool_pre")),
    ("Guard", ("max_concurrent", "admission_", "pool_monitor", "leak_", "auto_cleanup", "throttle_", "console_auto")),
    ("Loader: health", ("health_",)),
    ("Loader: metrics", ("metrics_",)),
    ("Pace, queue and breaker", ("pace", "queue_", "request_timeout", "breaker_")),
    ("Probes and samples", ("probe_", "samples_")),
    ("Jobs", ("job_",)),
    ("Events", ("event_",)),
    ("Server limits and logs", ("limit_", "keep_alive", "ws_", "log_")),
)
_CODE = re.compile("`([^`]+)`")
_UNITS = (("_ms", "ms"), ("_s", "s"), ("_bytes", "bytes"), ("_percent", "%"), ("_days", "d"))


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting. `name` is what stands in the environment; `changed` is true when the value is not the default."""

    name: str
    value: str
    unit: str
    default: str
    allowed: str
    origin: str
    meaning: str
    built: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class SettingGroup:
    """Settings that belong together."""

    title: str
    rows: list[SettingRow]


def groups(loaded: LoadedSettings) -> list[SettingGroup]:
    """Every setting once, in groups; what no group names stands under "More"."""
    named = {field: title for title, starts in _GROUPS for field in Settings.model_fields if field.startswith(starts)}
    titles = [title for title, _ in _GROUPS] + ["More"]
    grouped: dict[str, list[SettingRow]] = {title: [] for title in titles}
    for field, info in Settings.model_fields.items():
        grouped[named.get(field, "More")].append(_row(field, info, loaded))
    return [SettingGroup(title, rows) for title, rows in grouped.items() if rows]


def _row(field: str, info: FieldInfo, loaded: LoadedSettings) -> SettingRow:
    """One setting as a row, its secret masked."""
    origin = loaded.origins.get(field, "default")
    value, default = _shown(field, getattr(loaded.values, field)), _shown(field, info.default)
    return SettingRow(
        name=f"{PREFIX}{field.upper()}",
        value=value,
        unit=_unit(field) if value != _UNSET else "",
        default=default,
        allowed=_allowed(info),
        origin="default" if origin == "default" else f"set in {origin}" if origin == ".env" else "set in the environment",
        meaning=_CODE.sub(lambda found: words.code(found[1]), info.description or ""),
        built=is_built(info),
        changed=origin != "default",
    )


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
