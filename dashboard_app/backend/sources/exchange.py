"""Sources as a YAML file: written without passwords, read back with a dry run that says what would change."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import yaml

from dashboard_app.backend.sources.registry import Sources
from dashboard_app.backend.sources.validation import check_root_certificate, check_settings, kind_of
from dashboard_app.model.errors import InvalidInput, SpillwayError
from dashboard_app.model.secret import Secret
from dashboard_app.model.source import OWN_SOURCE_ID, Source, SourceSettings

IMPORT_LIMIT = 5_000
TEXT_LIMIT_BYTES = 1_048_576
_FIELDS = tuple(field.name for field in fields(SourceSettings))
_NEEDED = ("name", "kind", "host", "port", "username")


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The names of the sources that are new, changed, removed and unchanged, in the order of the file."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]

    def sentence(self) -> str:
        """The counts, as in "12 new, 1 changed, 0 removed"."""
        return f"{len(self.new)} new, {len(self.changed)} changed, {len(self.removed)} removed"


def export_sources(sources: Sources) -> str:
    """Every source but the built-in one as YAML, by name; never a password."""
    items = [_as_item(source) for source in _others(sources)]
    return yaml.safe_dump({"sources": items}, sort_keys=False, allow_unicode=True)


async def import_sources(sources: Sources, text: str, *, dry_run: bool, prune: bool = False) -> ImportReport:
    """What the file changes, by name; done unless `dry_run`. `prune` also removes the sources that the file does not name.

    A source in the file without a password keeps the one it has. The whole file is checked before anything is written; then one
    source is written after the other, so that a file whose import broke off can simply be imported again.

    Raises:
        InvalidInput, KindNotSupported: the file is not acceptable, with the place in it. DatabaseUnavailable.

    """
    wanted = {settings.name: settings for settings in await asyncio.to_thread(read_sources, text)}
    await sources.check_hosts(sorted({settings.host for settings in wanted.values()}))
    present = {source.name: source for source in _others(sources)}
    report = ImportReport(
        new=tuple(name for name in wanted if name not in present),
        changed=tuple(name for name in wanted if name in present and _differs(sources, present[name], wanted[name])),
        removed=tuple(name for name in present if name not in wanted) if prune else (),
        unchanged=tuple(name for name in wanted if name in present and not _differs(sources, present[name], wanted[name])),
    )
    if not dry_run:
        await _apply(sources, report, wanted, present)
    return report


def read_sources(text: str) -> tuple[SourceSettings, ...]:
    """The sources of a YAML text, each checked; reads the certificate files they name.

    Raises:
        InvalidInput, KindNotSupported: something is not acceptable; the message names the source by its number.

    """
    if len(text.encode(errors="replace")) > TEXT_LIMIT_BYTES:
        raise InvalidInput("The file is larger than 1 MiB")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidInput("The file is not YAML") from error
    items = document.get("sources") if isinstance(document, Mapping) else None
    if not isinstance(items, list) or len(items) > IMPORT_LIMIT:
        raise InvalidInput(f"The file must hold a list `sources` of at most {IMPORT_LIMIT} sources")
    found = tuple(_settings_of(number, item) for number, item in enumerate(items, start=1))
    names = Counter(settings.name for settings in found)
    if twice := [name for name, count in names.items() if count > 1]:
        raise InvalidInput(f"The file names {twice[0]} more than once")
    return found


async def _apply(sources: Sources, report: ImportReport, wanted: Mapping[str, SourceSettings], present: Mapping[str, Source]) -> None:
    """Write what the report says."""
    for name in report.removed:
        await sources.delete(present[name].id)
    for name in report.changed:
        changes = {field: getattr(wanted[name], field) for field in _FIELDS}
        await sources.update(present[name].id, {k: v for k, v in changes.items() if k != "password" or v is not None})
    for name in report.new:
        await sources.create(wanted[name])


def _others(sources: Sources) -> list[Source]:
    """Every source but the built-in one, by name."""
    return sorted((source for source in sources.everything() if source.id != OWN_SOURCE_ID), key=lambda source: source.name)


def _differs(sources: Sources, present: Source, wanted: SourceSettings) -> bool:
    """True when a field differs; a password only when the file gives one."""
    if any(getattr(present, field) != getattr(wanted, field) for field in _FIELDS if field != "password"):
        return True
    if wanted.password is None:
        return False
    try:
        return sources.credentials(present.id) != wanted.password
    except SpillwayError:
        return True  # the stored one cannot be read any more: the file's replaces it


def _as_item(source: Source) -> dict[str, Any]:
    """One source for the file: fields that hold nothing are left out."""
    item = {name: getattr(source, name) for name in _FIELDS if name != "password"}
    item |= {"kind": source.kind.value, "options": dict(source.options), "tags": list(source.tags)}
    return {name: value for name, value in item.items() if value not in ("", [], {}) and (name, value) != ("enabled", True)}


def _settings_of(number: int, item: object) -> SourceSettings:
    """One entry of the file as settings."""
    try:
        settings = _parsed(item)
        check_settings(settings)
        check_root_certificate(settings.options)
    except InvalidInput as error:
        raise type(error)(f"Source {number} of the file: {error.detail}", error.errors) from error
    return settings


def _parsed(item: object) -> SourceSettings:
    """The fields of one entry; their values are judged elsewhere."""
    if not isinstance(item, Mapping) or not all(isinstance(name, str) for name in item):
        raise InvalidInput("must be fields with values")
    if unknown := sorted(set(item) - set(_FIELDS)):
        raise InvalidInput(f"there is no field {unknown[0][:40]!r}")
    if missing := [name for name in _NEEDED if name not in item]:
        raise InvalidInput(f"{missing[0]} is missing")
    given = dict(item)
    given["kind"] = kind_of(given["kind"])
    if isinstance(given.get("tags"), list):
        given["tags"] = tuple(given["tags"])
    if given.get("password") is not None:
        given["password"] = Secret(str(given["password"]))
    return SourceSettings(**given)
