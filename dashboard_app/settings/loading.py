"""Settings read once from the environment and `.env`, checked, then passed on as values."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from dashboard_app.model.errors import InvalidInput, StartRefused
from dashboard_app.settings.kinds import words_to_bool
from dashboard_app.settings.knobs import PREFIX, Settings
from dashboard_app.settings.mistakes import field_errors, mistake, together

_DEMO = {"leak_threshold_s": "5", "auto_cleanup": "false", "console_auto_cleanup": "false"}  # so that the operator sees cause and effect
_AGES = frozenset({"health_stale_s", "health_refetch_s", "metrics_stale_s", "metrics_refetch_s"})
_BOUND_TOGETHER = (
    frozenset({"health_stale_s", "health_refetch_s"}),
    frozenset({"metrics_stale_s", "metrics_refetch_s"}),
    frozenset({"admin_email", "admin_password"}),
)


class _Origin(EnvSettingsSource):
    """One place settings come from: the environment, or what a file says."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): text for name, text in self._texts.items()}


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and where each value came from: "default", "demo", ".env" or "environment", by field name."""

    values: Settings
    origins: Mapping[str, str]


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")) -> LoadedSettings:
    """Read and check every setting. The environment wins over the file, the file over what the demo presets.

    Raises:
        StartRefused: one line per mistake: name, value given (secrets masked), what is allowed.

    """
    places = {".env": _of_file(env_file), "environment": os.environ if environ is None else environ}
    given: dict[str, str] = {}
    origins: dict[str, str] = {}
    mistakes: list[str] = []
    for origin, texts in places.items():
        ours = {name: text for name, text in texts.items() if name.upper().startswith(PREFIX)}
        unknown = {name for name in ours if name.removeprefix(PREFIX).lower() not in Settings.model_fields or name != name.upper()}
        mistakes += [f"{name}: there is no such setting ({origin})" for name in sorted(unknown)]
        found = _Origin({name: text for name, text in ours.items() if name not in unknown})()
        given |= found
        origins |= dict.fromkeys(found, origin)
    if words_to_bool(given.get("demo")) is True:
        given, origins = {**_DEMO, **given}, {**dict.fromkeys(_DEMO, "demo"), **origins}
    values, wrong = _judged(given, origins)
    mistakes += wrong
    if mistakes or values is None:
        raise StartRefused("\n".join(mistakes))
    return LoadedSettings(values, {field: origins.get(field, "default") for field in Settings.model_fields})


def _judged(given: Mapping[str, str], origins: Mapping[str, str]) -> tuple[Settings | None, list[str]]:
    """The settings, None when there is a mistake; every mistake, also of settings that stand beside a wrong one."""
    try:
        values = Settings.model_validate(given)
    except ValidationError as failure:
        errors = failure.errors()
        wrong = {str(error["loc"][0]) for error in errors if error["loc"]} or _AGES
        dropped = wrong.union(*(group for group in _BOUND_TOGETHER if group & wrong))
        rest = {field: text for field, text in given.items() if field not in dropped}
        return None, [*(mistake(error, given, origins) for error in errors), *_judged(rest, origins)[1]]
    return values, together(values)


def _of_file(path: Path | None) -> dict[str, str]:
    """What a `.env` file sets; nothing when there is none."""
    if path is None or not path.is_file():
        return {}
    return {name: text or "" for name, text in dotenv_values(path, interpolate=False).items()}


def is_built(field: FieldInfo) -> bool:
    """False when the setting is accepted and checked but its feature does not exist yet."""
    return _marked(field, "built", default=True)


def is_live(field: FieldInfo) -> bool:
    """True when the setting can change while the app runs; every other one needs a restart."""
    return _marked(field, "live", default=False)


def _marked(field: FieldInfo, mark: str, *, default: bool) -> bool:
    """The mark that `knob` left on a field."""
    extra = field.json_schema_extra
    return bool(extra.get(mark, default)) if isinstance(extra, dict) else default


def with_changes(values: Settings, changes: Mapping[str, object]) -> Settings:
    """`values` with `changes` (field name → new value), judged as at the start.

    Raises:
        InvalidInput: an error per field that is unknown, not live, or out of its bounds; nothing is changed then.

    """
    errors = [{"field": name, "message": "there is no such setting"} for name in changes if name not in Settings.model_fields]
    errors += [
        {"field": name, "message": "needs a restart: it cannot change while the app runs"}
        for name in changes
        if name in Settings.model_fields and not is_live(Settings.model_fields[name])
    ]
    if not errors:
        try:
            return Settings.model_validate({name: getattr(values, name) for name in Settings.model_fields} | dict(changes))
        except ValidationError as failure:
            errors = [one for error in failure.errors() for one in field_errors(error)]
    raise InvalidInput(f"Some settings are not acceptable: {', '.join(dict.fromkeys(one['field'] for one in errors))}.", tuple(errors))
