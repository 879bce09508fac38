"""The room's parts, built from what they need. No I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from dashboard_app.backend.alerts.book import Book
from dashboard_app.backend.alerts.desk import Desk
from dashboard_app.backend.alerts.evaluate import Evaluator, Guard
from dashboard_app.backend.alerts.preview import PoolHistory, Previews
from dashboard_app.backend.alerts.readings import Found, KnownSources
from dashboard_app.backend.alerts.rules import Rules
from dashboard_app.model.clock import Clock
from dashboard_app.store.alert_rules import AlertRuleStore
from dashboard_app.store.alerts import AlertStore
from dashboard_app.store.database import Database


class WholeGuard(Guard, PoolHistory, Protocol):
    """The guard as alerts need it."""


@dataclass(frozen=True, slots=True)
class AlertParts:
    """`evaluator` has two loops for the supervisor, and `close()` at the end; `desk` is what the API speaks to; `book` tells what opens and ends."""

    desk: Desk
    evaluator: Evaluator
    book: Book


def build_alerts(
    database: Database, guard: WholeGuard, sources: KnownSources, found: Found, *, units: Callable[[], Mapping[str, str]], clock: Clock
) -> AlertParts:
    """Everything about alerts. `units`: the numbers that probes give, and their units."""
    store = AlertStore(database)
    book, rules = Book(store, clock), Rules(AlertRuleStore(database), units)
    evaluator = Evaluator(guard, sources, found, book=book, rules=rules, clock=clock)
    return AlertParts(Desk(book, rules, evaluator, Previews(guard, sources.everything, store), clock), evaluator, book)
