"""Settings that change while the app runs: judged together, kept in one statement, in force at once, one audit row."""

import logging
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Protocol

from dashboard_app.console.client.acts import AuditBook
from dashboard_app.model.clock import Clock
from dashboard_app.model.errors import Conflict, InvalidInput, NotSignedIn
from dashboard_app.model.user import Principal
from dashboard_app.policy.permission import require
from dashboard_app.runtime.live_settings import LiveSettings, Override
from dashboard_app.settings import PREFIX, Settings

_log = logging.getLogger(__name__)
ACTION = "settings.write"


class OverrideRow(Protocol):
    """One kept override."""

    name: str
    value: Any
    changed_by: str
    changed_at: datetime


class OverrideBook(Protocol):
    """Where overrides are kept over a restart."""

    async def load(self) -> list[Any]:
        """Every override."""

    async def change(self, values: Mapping[str, object], resets: Collection[str], *, by: str, at: datetime) -> None:
        """Set and forget, all or nothing."""


class Tuning:
    """The door through which settings change. `live` is what everybody works by."""

    def __init__(self, live: LiveSettings, book: OverrideBook | None, audit: AuditBook | None, clock: Clock) -> None:
        """Without a book or an audit nothing can be changed."""
        self.live = live
        self._book, self._audit, self._clock = book, audit, clock
        self._is_saving = False

    async def open(self) -> None:
        """Take over what was changed before the restart. One that a newer version no longer allows is left out, with a warning.

        Raises:
            DatabaseUnavailable: it cannot be read now.

        """
        if self._book is None:
            return
        kept: dict[str, Override] = {}
        for row in await self._book.load():
            wanted = kept | {row.name: Override(row.value, row.changed_by, row.changed_at)}
            try:
                self.live.judged({name: override.value for name, override in wanted.items()})
            except InvalidInput as mistake:
                _log.warning("the kept setting %s is left out: %s", row.name, mistake.errors)
            else:
                kept = wanted
        if kept:
            self.live.take(kept)

    async def change(
        self, principal: Principal | None, changes: Mapping[str, object], *, seen_version: int | None = None, request_id: str = ""
    ) -> Settings:
        """The settings after `changes`: all of them or none. A value of None goes back to what was read at the start.

        Names may be written as in the environment or as fields: SPILLWAY_PACE, PACE, pace. `seen_version`: the version the changes
        were made upon; None: whatever it is.

        Raises:
            NotSignedIn, Forbidden: this needs the admin role.
            InvalidInput: an error per setting that is unknown, needs a restart, or is out of its bounds.
            Conflict: somebody else changed settings since `seen_version`, or is changing them this moment.
            DatabaseUnavailable: the change could not be kept, so nothing has changed.

        """
        require(principal, ACTION)
        if principal is None or self._book is None or self._audit is None:
            raise NotSignedIn
        wanted = _named(changes)
        before = self.live.values
        after = self.live.judged(self._merged(wanted))
        if seen_version is not None and seen_version != self.live.version:
            raise Conflict(self._who_changed())
        targets = {name: None if value is None else getattr(after, name) for name, value in wanted.items()}
        moved = {name: target for name, target in targets.items() if self._moves(name, target)}
        if not moved:
            return before
        if self._is_saving:
            raise Conflict("Settings are being changed this moment. Look again.")
        self._is_saving = True
        try:
            await self._save(principal, moved)
        finally:
            self._is_saving = False
        sides = {"before": _sides(before, moved), "after": _sides(after, moved)}
        await self._audit.record(principal, ACTION, "settings", request_id=request_id, details=sides)
        return self.live.values

    async def _save(self, principal: Principal, values: Mapping[str, object]) -> None:
        """Keep the change, then work by it. `values` None: back to the start's."""
        if self._book is None:
            return
        now = self._clock.now()
        kept = {name: value for name, value in values.items() if value is not None}
        await self._book.change(kept, [name for name, value in values.items() if value is None], by=principal.name, at=now)
        rest = {name: override for name, override in self.live.overrides.items() if name not in values}
        self.live.take(rest | {name: Override(value, principal.name, now) for name, value in kept.items()})

    def _merged(self, wanted: Mapping[str, object]) -> dict[str, object]:
        """The overrides as they would be, by value."""
        values = {name: override.value for name, override in self.live.overrides.items()} | dict(wanted)
        return {name: value for name, value in values.items() if value is not None}

    def _moves(self, name: str, target: object) -> bool:
        """True when `target` (None: back to the start's value) is not what is kept already."""
        kept = self.live.overrides.get(name)
        if kept is None:
            return target is not None and target != getattr(self.live.start.values, name)
        return target != kept.value

    def _who_changed(self) -> str:
        """Who changed settings last, for a refusal."""
        newest = max(self.live.overrides.values(), key=lambda override: override.at, default=None)
        who = f"{newest.by} changed these at {newest.at:%H:%M} UTC." if newest else "Somebody changed these."
        return f"{who} Review again."


def _named(changes: Mapping[str, object]) -> dict[str, object]:
    """The changes by field name.

    Raises:
        InvalidInput: nothing is changed, one setting is named twice, or a truth stands where a number is needed.

    """
    if not changes:
        raise InvalidInput("Name at least one setting.", ({"field": "body", "message": "is empty"},))
    wanted: dict[str, object] = {}
    errors: list[dict[str, str]] = []
    for name, value in changes.items():
        field = name.upper().removeprefix(PREFIX).lower()
        if field in wanted:
            errors.append({"field": field, "message": "is named twice"})
        if field not in Settings.model_fields:
            errors.append({"field": name[:100], "message": "there is no such setting"})
        elif isinstance(value, bool) and Settings.model_fields[field].annotation is not bool:
            errors.append({"field": field, "message": "must be a number or a word, not a truth value"})
        wanted[field] = value
    if errors:
        raise InvalidInput(f"Some settings are not acceptable: {', '.join(one['field'] for one in errors[:5])}.", tuple(errors))
    return wanted


def _sides(values: Settings, names: Collection[str]) -> dict[str, object]:
    """The values of `names` under the names of the environment."""
    return {name.upper(): getattr(values, name) for name in names}
