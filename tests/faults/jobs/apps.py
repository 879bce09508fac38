"""The whole app, as it is served, under a thousand updates a second over HTTP: killed, or told to stop."""

import asyncio
import itertools
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from dashboard_app.store.database import connect
from dashboard_app.store.embedded import EmbeddedServer
from tests.conftest import wait_until
from tests.faults.jobs.book import Book, Outcome, backwards, made_jobs, own_server, prepare
from tests.instance import Instance, running, url_of

UPDATES = "/api/v1/jobs/status"
SENDERS = 4
EACH = 20
PER_SECOND = 1000
_STOP_LIMIT_S = 10.0


class Senders:
    """Services that report their jobs in calls of twenty, a thousand updates a second together, until the server is gone."""

    def __init__(self, instance: Instance, book: Book, numbers: "itertools.count[int]") -> None:
        self.acknowledged, self.refused = 0, 0
        self._url, self._token, self._book, self._numbers = instance.url, instance.token("operator"), book, numbers
        self._turn = threading.Lock()
        self._is_over = False
        self._threads = [threading.Thread(target=self._report, args=(number,), daemon=True) for number in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    @classmethod
    def on(cls, instance: Instance, book: Book) -> "Senders":
        """Senders whose first call is answered."""
        senders = cls(instance, book, itertools.count(1))
        wait_until(lambda: senders.acknowledged > 0, 30)
        return senders

    def _report(self, lane: int) -> None:
        """A lane's jobs are its own, so that the order of its calls is the order of its numbers."""
        mine = range(lane, len(self._book.jobs), SENDERS)
        places = itertools.cycle(mine)
        pause_s, next_at = EACH * SENDERS / PER_SECOND, time.monotonic()
        with httpx.Client(base_url=self._url, headers={"Authorization": f"Bearer {self._token}"}, timeout=15) as client:
            while not self._is_over:
                rounds = next(self._numbers) * len(self._book.jobs)
                numbers = [rounds + next(places) for _ in range(EACH)]
                body = [{"job_id": self._book.job_of(n), "status": "processing", "error_message": str(n)} for n in numbers]
                try:
                    answer = client.post(UPDATES, json={"updates": body})
                except httpx.HTTPError:
                    return  # the server is gone: what it did not answer is not acknowledged
                with self._turn:
                    if answer.status_code == httpx.codes.ACCEPTED:
                        self._book.acknowledge(numbers)
                        self.acknowledged += EACH
                    else:
                        self.refused += EACH
                next_at += pause_s
                time.sleep(max(next_at - time.monotonic(), 0))

    def end(self) -> None:
        """Have them stop by themselves."""
        self._is_over = True
        self.ended()

    def ended(self) -> None:
        """Return when none of them sends any more."""
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


class _Apps:
    """One app after the other on one DATA_DIR and one database."""

    def __init__(self, server: EmbeddedServer, folder: Path, name: str, what: str) -> None:
        self._server, self._folder = server, folder
        self._tokens: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self.outcome = Outcome(name, what=what)
        self.book = Book(self._asked(made_jobs))

    def _asked(self, work: object) -> object:
        async def ask() -> object:
            connection = await connect(self._server.address(), application_name="faults")
            try:
                return await work(connection)  # type: ignore[operator]
            finally:
                await connection.close()

        return asyncio.run(ask())

    def lost(self) -> int:
        return int(self._asked(self.book.lost))  # type: ignore[call-overload]

    def moved(self) -> int:
        return int(self._asked(backwards))  # type: ignore[call-overload]

    @contextmanager
    def one(self) -> Iterator[Instance]:
        """A ready app that has written what the one before left behind."""
        with running(self._folder / "data", database_url=url_of(self._server.address())) as instance:
            instance.tokens = self._tokens
            began = time.monotonic()
            with instance.client("operator") as client:
                client.post(f"{UPDATES}/flush").raise_for_status()
            if self.outcome.what == "replay":
                self.outcome.worst_s = max(self.outcome.worst_s, time.monotonic() - began)
            self.outcome.lost += self.lost()
            yield instance

    def load(self, instance: Instance, seconds: float) -> Senders:
        """Senders that have sent for so long."""
        senders = Senders(instance, self.book, self._numbers)
        wait_until(lambda: senders.acknowledged > 0, 30)
        time.sleep(seconds)
        return senders

    def note(self, senders: Senders) -> None:
        senders.ended()
        self.outcome.runs += 1
        self.outcome.acknowledged = self.book.total
        self.outcome.refused += senders.refused


def killed_apps(runs: int) -> Outcome:
    """SIGKILL at a random moment of the load."""
    with own_server() as (server, folder):
        asyncio.run(prepare(server.address(), folder))
        apps = _Apps(server, folder, "SIGKILL of the whole app", "replay")
        for seed in range(runs):
            with apps.one() as instance:
                senders = apps.load(instance, random.Random(seed).random() * 2)  # noqa: S311 - which moment, not a secret
                instance.process.kill()
                instance.process.wait(10)
                apps.note(senders)
        with apps.one():
            pass
        apps.outcome.backwards = apps.moved()
        return apps.outcome


def stopped_apps(runs: int) -> Outcome:
    """SIGTERM in the middle of the load: exit code 0 within 10 s, and all that was acknowledged is in its row when the process is gone."""
    with own_server() as (server, folder):
        asyncio.run(prepare(server.address(), folder))
        apps = _Apps(server, folder, "SIGTERM of the whole app", "exit")
        outcome, late = apps.outcome, 0
        for seed in range(runs):
            with apps.one() as instance:
                senders = apps.load(instance, random.Random(seed).random())  # noqa: S311 - which moment, not a secret
                began = time.monotonic()
                code = instance.stop()
                took_s = time.monotonic() - began
                apps.note(senders)
            outcome.worst_s = max(outcome.worst_s, took_s)
            outcome.lost += apps.lost()
            if code != 0 or took_s > _STOP_LIMIT_S:
                late += 1
                outcome.notes.append(f"run {seed}: exit code {code} after {took_s:.1f} s")
        outcome.backwards = apps.moved()
        outcome.notes.append(f"exit code 0 within {_STOP_LIMIT_S:g} s: {runs - late} of {runs}")
        outcome.failed += late
        return outcome
