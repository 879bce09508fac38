"""A person's change of the list of sources, shown at once; the server's own list follows soon."""

from dashboard_app.console.context import console
from dashboard_app.model.source import Source


def keep(source: Source) -> None:
    """Show a source as just saved."""
    snapshot = console().snapshot
    snapshot.sources = {**snapshot.sources, source.id: source}
    snapshot.touch()
    console().acted()


def forget(source_id: int) -> None:
    """Show the list without a source that was just deleted."""
    snapshot = console().snapshot
    snapshot.sources = {known: source for known, source in snapshot.sources.items() if known != source_id}
    snapshot.touch()
    console().acted()
