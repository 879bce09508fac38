"""Every fault of job updates by its name, with its full count."""

from collections.abc import Callable

from tests.faults.jobs.apps import killed_apps, stopped_apps
from tests.faults.jobs.book import Outcome
from tests.faults.jobs.killed import failing_syncs, full_disks, killed_workers
from tests.faults.jobs.outages import ledgers, poisoned, stopped_databases

MATRIX: dict[str, tuple[Callable[[int], Outcome], int]] = {
    "jobs-kill": (killed_workers, 1000),
    "jobs-kill-app": (killed_apps, 50),
    "jobs-stop-app": (stopped_apps, 100),
    "jobs-database": (stopped_databases, 200),
    "jobs-disk": (full_disks, 50),
    "jobs-fsync": (failing_syncs, 50),
    "jobs-poison": (poisoned, 100_000),
    "jobs-ledger": (ledgers, 60),
}
