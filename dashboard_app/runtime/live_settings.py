"""The settings as they are now: what was read at the start, with what people changed while the app runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from dashboard_app.settings import LoadedSettings, Settings, with_changes


@dataclass(frozen=True, slots=True)
class Override:
    """A value that a person set in place of the one from the start; `by` and `at` of that act."""

    value: object
    by: str
    at: datetime


class LiveSettings:
    """One holder per process. Whoever works by a setting either reads `values` each time or listens."""

    def __init__(self, loaded: LoadedSettings) -> None:
        """As they were read at the start."""
        self.start = loaded
        self.values: Settings = loaded.values
        self.overrides: Mapping[str, Override] = {}
        self.version = 0
        """Grows with each change."""
        self._listeners: list[Callable[[Settings], None]] = []

    def on_change(self, listener: Callable[[Settings], None]) -> None:
        """Call `listener` with the new settings after each change; it must be quick."""
        self._listeners.append(listener)

    def judged(self, overrides: Mapping[str, object]) -> Settings:
        """What the settings would be with exactly these overrides (field name → value).

        Raises:
            InvalidInput: an error per field that is unknown, needs a restart, or is out of its bounds.

        """
        return with_changes(self.start.values, overrides)

    def take(self, overrides: Mapping[str, Override]) -> None:
        """Work by exactly these overrides from now on, and tell the listeners.

        Raises:
            InvalidInput: as `judged`; then nothing has changed.

        """
        values = self.judged({name: override.value for name, override in overrides.items()})
        self.overrides, self.version = dict(overrides), self.version + 1
        if values == self.values:
            return
        self.values = values
        for listener in self._listeners:
            listener(values)
