"""Updates that were acknowledged outlive the process: killed without a word in the middle of them, or told to stop."""

import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.conftest import wait_until
from tests.instance import PLAIN, Instance, running, url_of

UPDATES = "/api/v1/jobs/status"
SENDERS = 3
JOBS_EACH = 20
KILLED_AFTER = (1, 8, 40)
"""Acknowledged calls of one run before it is killed: the first fills no batch, the last has some written and some under way."""


class Senders:
    """Services that report their own jobs, over and over, each report with the next number; `last` is what was acknowledged per job."""

    def __init__(self, instance: Instance, jobs: list[int], numbers: "itertools.count[int]") -> None:
        self.last: dict[int, int] = {}
        self.acknowledged = 0
        self._url, self._token, self._numbers = instance.url, instance.token("operator"), numbers
        shares = [jobs[number::SENDERS] for number in range(SENDERS)]
        self._threads = [threading.Thread(target=self._report, args=(share,), daemon=True) for share in shares]
        for thread in self._threads:
            thread.start()

    def _report(self, jobs: list[int]) -> None:
        with httpx.Client(base_url=self._url, headers={"Authorization": f"Bearer {self._token}"}, timeout=10, verify=PLAIN) as client:
            while True:
                number = next(self._numbers)
                body = [{"job_id": job, "status": "processing", "error_message": str(number)} for job in jobs]
                try:
                    answer = client.post(UPDATES, json={"updates": body})
                except httpx.HTTPError:
                    return  # the server is gone: what it did not answer is not acknowledged
                if answer.status_code != httpx.codes.ACCEPTED:
                    return  # on its way out: not acknowledged either
                assert answer.json() == {"accepted": len(jobs), "rejected": []}
                self.last |= dict.fromkeys(jobs, number)
                self.acknowledged += 1

    def until(self, calls: int, end: Callable[[], object]) -> dict[int, int]:
        """What was acknowledged when the server had ended, which it is told after so many acknowledged calls."""
        wait_until(lambda: self.acknowledged >= calls, 30)
        end()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()
        return self.last


def test_what_was_acknowledged_is_written_after_a_kill_and_before_a_stop_ends(fresh_database, postgres, tmp_path: Path) -> None:
    settings = {"database_url": url_of(fresh_database), "job_flush_s": 1}
    numbers, jobs, last = itertools.count(1), list[int](), dict[int, int]()
    tokens: dict[str, str] = {}

    def written() -> dict[int, int]:
        rows = postgres.execute("SELECT id, error_message FROM jobs WHERE error_message IS NOT NULL", database=fresh_database.database)
        return {row[0]: int(row[1]) for row in rows}

    def nothing_is_lost() -> None:
        found = written()
        assert {job: (number, found.get(job)) for job, number in last.items() if found.get(job, 0) < number} == {}

    for calls in KILLED_AFTER:
        with running(tmp_path / "data", **settings) as instance:
            instance.tokens = tokens
            with instance.client("operator") as client:
                client.post(f"{UPDATES}/flush").raise_for_status()
                nothing_is_lost()
                if not jobs:
                    made = client.post("/api/v1/jobs", json={"jobs": [{"kind": "thumbnail"}] * SENDERS * JOBS_EACH})
                    jobs = made.raise_for_status().json()["ids"]
            last |= Senders(instance, jobs, numbers).until(calls, instance.process.kill)
    assert len(last) == len(jobs)

    with running(tmp_path / "data", **settings) as instance:
        instance.tokens = tokens
        with instance.client("operator") as client:
            wait_until(lambda: client.get(f"{UPDATES}/stats").json()["queued"] == 0, 30)  # nobody has to ask for it
            nothing_is_lost()
        last |= Senders(instance, jobs, numbers).until(10, instance.stop)
        assert instance.process.returncode == 0
        nothing_is_lost()
