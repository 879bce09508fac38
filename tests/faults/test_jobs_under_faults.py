"""A few runs of each fault of `make faults`: the same code at small counts."""

from collections.abc import Iterator

import pytest

from tests.faults.jobs.book import Outcome, shared_server
from tests.faults.jobs.killed import failing_syncs, killed_workers
from tests.faults.jobs.outages import ledgers, poisoned, stopped_databases
from tests.faults.jobs.worker import POINTS


@pytest.fixture(scope="module", autouse=True)
def _one_server() -> Iterator[None]:
    with shared_server():
        yield


def well(outcome: Outcome, runs: int) -> bool:
    return (outcome.runs, outcome.lost, outcome.backwards) == (runs, 0, 0)


def test_killed_inside_append_sync_rotation_trim_flush_and_commit_it_loses_nothing() -> None:
    runs = 2 * len(POINTS)
    outcome = killed_workers(runs)
    assert well(outcome, runs), outcome
    assert outcome.acknowledged > 0


@pytest.mark.parametrize(("fault", "runs"), [(failing_syncs, 2), (stopped_databases, 2), (poisoned, 3000)])
def test_with_failing_disks_and_databases_and_poison_it_loses_nothing(fault, runs) -> None:
    outcome = fault(runs)
    assert well(outcome, runs), outcome


def test_the_ledger_adds_up_at_every_sample_while_everything_fails() -> None:
    outcome = ledgers(3)
    assert (outcome.lost, outcome.runs > 0) == (0, True), outcome
