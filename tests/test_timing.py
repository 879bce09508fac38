"""The stopwatch of the tests: it forgives a busy machine and nothing else."""

import pytest

from tests import timing


@pytest.fixture
def machine(monkeypatch):
    """Two hands to turn: the time of the wall, and how much of it this thread waited for a processor."""
    told = {"now": 100.0, "waited": 7.0}
    monkeypatch.setattr(timing.time, "monotonic", lambda: told["now"])
    monkeypatch.setattr(timing, "waited_for_the_machine_s", lambda: told["waited"])
    return told


def test_what_a_block_takes_counts(machine):
    with pytest.raises(pytest.fail.Exception, match=r"took 0\.500 s"), timing.within(0.5):
        machine["now"] += 0.5


def test_what_the_machine_took_away_does_not(machine):
    with timing.within(0.5):
        machine["now"] += 3.0
        machine["waited"] += 2.9


def test_a_kernel_that_does_not_tell_forgives_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(timing, "_SCHEDULE", tmp_path / "nothing")
    assert timing.waited_for_the_machine_s() == 0.0
