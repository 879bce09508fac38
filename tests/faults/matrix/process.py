"""F12 to F15, F18, F20, F22: the process is told to stop, is killed, has no disk, no true clock, a twin, wrong settings, a loop that stands."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx

from dashboard_app.model.errors import StartRefused
from dashboard_app.settings import Settings, load_settings
from dashboard_app.store.database import connect
from tests.faults.jobs.apps import killed_apps, stopped_apps
from tests.faults.jobs.book import BACKWARDS, Book, Outcome, backwards, made_jobs
from tests.faults.jobs.killed import failing_syncs, full_disks, killed_workers
from tests.faults.matrix.row import Row, percentile
from tests.faults.matrix.stand import Stand, answers, caller, rss_kb, signed_in, until
from tests.faults.matrix.tab import Tab, web
from tests.instance import ROOT, Instance, Launch, free_port

UPDATES = "/api/v1/jobs/status"
SECRET = "the-secret-of-row-20"


def _took_over(row: Row, outcome: Outcome) -> None:
    """A row made of what the job faults found."""
    row.n += outcome.runs
    row.lost += outcome.lost
    row.duplicated += outcome.backwards
    row.waited(outcome.worst_s)
    row.expect(outcome.is_well, f"{outcome.name}: {outcome.failed} runs failed of {outcome.runs}")
    row.say(f"{outcome.name}: {outcome.acknowledged} acknowledged, {outcome.what} at most {outcome.worst_s:.2f} s")


async def f12(stand: Stand, row: Row) -> None:
    """SIGTERM under a thousand updates a second: exit code 0 within 10 s, every acknowledged update in its row."""
    _took_over(row, await asyncio.to_thread(stopped_apps, stand.count(3)))


async def f13(stand: Stand, row: Row) -> None:
    """SIGKILL: of journal and updater inside sync, rotation, commit; of the whole app under load."""
    _took_over(row, await asyncio.to_thread(killed_workers, stand.count(36)))
    _took_over(row, await asyncio.to_thread(killed_apps, stand.count(2)))
    row.recover_s = row.longest_wait_s
    row.expect(row.recover_s <= 5, f"replay took {row.recover_s:.1f} s")


async def f14(stand: Stand, row: Row) -> None:
    """The disk is full, syncs fail: refused with 503, what was acknowledged stays, healed when there is room."""
    _took_over(row, await asyncio.to_thread(failing_syncs, stand.count(6)))
    if os.geteuid() != 0:
        row.say("full disk NOT RUN: mounting a small file system needs root")
        return
    _took_over(row, await asyncio.to_thread(full_disks, stand.count(6)))
    address = await stand.database()
    data = stand.folder / f"small-{time.monotonic_ns()}"
    async with _small_disk(data / "job-journal"), stand.instance(address, data_dir=data, job_flush_s=1) as instance:
        connection = await connect(address, application_name="faults")
        book = Book(await made_jobs(connection))
        async with await caller(instance) as client:
            numbers = iter(range(1, 1_000_000, 50))
            row.expect(await _report(client, book, next(numbers)) == 202, "not accepted while there was room")
            ballast = data / "job-journal" / "ballast"
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as out:
                while True:
                    out.write(b"\0" * 512)
            codes = [await _report(client, book, next(numbers)) for _ in range(stand.count(60, 20))]
            row.expect(503 in codes and set(codes) <= {202, 503}, f"answers on a full disk: {sorted(set(codes))}")
            stats = (await client.get(f"{UPDATES}/stats")).json()
            row.expect("journal" in str(stats.get("level", stats)), f"the stats do not say it: {stats}")
            ballast.unlink()

            async def is_taken() -> bool:
                return await _report(client, book, next(numbers)) == 202

            row.recovered(await until(is_taken, 10))
            await client.post(f"{UPDATES}/flush")
            row.lost += await book.lost(connection)
            row.n += len(codes)
            row.say(f"whole app on a full disk: {codes.count(503)} of {len(codes)} refused with 503")
        await connection.close()


async def _report(client: httpx.AsyncClient, book: Book, first: int) -> int:
    """The status of one call with 50 updates; what is accepted stands in the book."""
    numbers = range(first, first + 50)
    body = [{"job_id": book.job_of(n), "status": "processing", "error_message": str(n)} for n in numbers]
    answer = await client.post(UPDATES, json={"updates": body})
    if answer.status_code == httpx.codes.ACCEPTED:
        book.acknowledge(numbers)
    return answer.status_code


@contextlib.asynccontextmanager
async def _small_disk(folder: Path) -> AsyncIterator[None]:
    """A tmpfs of 256 KiB on `folder`."""
    await asyncio.to_thread(folder.mkdir, parents=True, mode=0o700)
    await asyncio.to_thread(subprocess.run, ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True, timeout=10)
    try:
        yield
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", "-l", str(folder)], check=True, timeout=10)


HOUR_S, DAY_S = 3600, 86_400
_OWN_CLOCK = (
    "CREATE TABLE off (by interval NOT NULL)",
    "INSERT INTO off VALUES ('0')",
    "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT pg_catalog.clock_timestamp() + by FROM public.off'",
)
_REFRESH_S = 45.0


async def f15(stand: Stand, row: Row) -> None:
    """Clocks are set by an hour and a day, either way, the process's and then the database's too: nobody is signed out, no storm, order is kept."""
    clock = stand.folder / f"clock-{time.monotonic_ns()}"
    clock.write_text("0")
    launch = Launch("tests.faults.matrix.launched", environment={"CLOCK_FILE": str(clock)})
    address = await stand.database()
    for statement in (*_OWN_CLOCK, f'ALTER DATABASE "{address.database}" SET search_path = public, pg_catalog'):
        await stand.execute(statement, on=address)
    async with stand.instance(address, launch, demo="true") as instance, await caller(instance) as client, web() as sockets:
        connection = await connect(address, application_name="faults")
        await connection.execute(BACKWARDS)
        book, numbers = Book(await made_jobs(connection)), iter(range(1, 1_000_000, 50))
        cookie = await signed_in(instance)
        tab = Tab(sockets, instance.url, cookie)
        await tab.connect()
        await tab.load("/jobs")
        sources = len((await client.get("/scan/data-sources?limit=500")).json()["items"])

        async def off_s() -> float:
            stamp = (await client.get("/api/health")).json()["timestamp"]
            return datetime.fromisoformat(stamp).timestamp() - time.time()

        async def after(what: str, probes: int, began: float) -> None:
            for _ in range(4):
                row.expect(await _report(client, book, next(numbers)) == 202, "an update was refused")
            asked = time.monotonic()
            tab.forget()
            await tab.load("/jobs", 15)
            page = await client.get("/jobs", headers={"Cookie": cookie, "Authorization": ""}, follow_redirects=False)
            row.expect(page.status_code == 200 and tab.is_open, f"signed out, {what}: {page.status_code}")
            row.waited(time.monotonic() - asked)
            await asyncio.sleep(1)
            done, passed = await _probes(client) - probes, time.monotonic() - began
            row.expect(done <= sources + passed * 5, f"{done} probes in {passed:.1f} s, {what}")
            row.n += 1

        for offset_s in (0, HOUR_S, 0, -HOUR_S, 0, DAY_S, 0, -DAY_S, 0)[-stand.count(9, 4) :]:
            probes, began = await _probes(client), time.monotonic()
            for told in await _set_clock(instance, clock, offset_s):
                row.expect(abs(told - time.time() - offset_s) < 5, f"the clock did not jump: {told} at {offset_s}")
            row.expect(abs(await off_s()) < 5, f"its time went with the machine's clock: {await off_s():+.0f} s at {offset_s:+} s")
            await after(f"the process at {offset_s:+} s", probes, began)
        for offset_s in (DAY_S, 0)[: stand.count(2, 0)]:
            probes, began = await _probes(client), time.monotonic()
            await _set_clock(instance, clock, offset_s)
            await stand.execute("UPDATE off SET by = $1", timedelta(seconds=offset_s), on=address)

            async def has_followed(to_s: float = offset_s) -> bool:
                return abs(await off_s() - to_s) < 5

            took_s = await until(has_followed, _REFRESH_S, 0.25)
            row.recover_s = max(row.recover_s, took_s)
            await after(f"process and database at {offset_s:+} s", probes, began)
        await client.post(f"{UPDATES}/flush")
        row.lost, row.duplicated = await book.lost(connection), await backwards(connection)
        await connection.close()
        await tab.close()
    row.say(
        "set: the process's own wall clock (Spillway's and time.time, so Reflex's) by an hour and a day either way, then the database's "
        "with it by a day either way; monotonic time runs on; recovery: until Spillway goes by the database's new time"
    )


async def _set_clock(instance: Instance, clock: Path, offset_s: float) -> list[float]:
    """What the process's machine says after its clock was set, to Spillway and to everybody else, as seconds since 1970."""
    said = clock.with_name(f"{clock.name}.said")
    said.unlink(missing_ok=True)
    await asyncio.to_thread(clock.write_text, str(offset_s))
    instance.process.send_signal(signal.SIGUSR2)
    await until(said.exists, 10)
    return [float(word) for word in said.read_text().split()]


async def _probes(client: httpx.AsyncClient) -> int:
    """Probes since the start."""
    text = (await client.get("/metrics")).text
    return sum(int(float(line.split()[-1])) for line in text.splitlines() if "probe" in line and line.split("{")[0].endswith("_total"))


async def f18(stand: Stand, row: Row) -> None:
    """A second app on the same DATA_DIR refuses to start and says who has it."""
    address = await stand.database()
    async with stand.instance(address) as instance:
        for _ in range(stand.count(3)):
            began = time.monotonic()
            twin = await asyncio.to_thread(_twin, instance)
            row.waited(time.monotonic() - began)
            row.expect(twin.returncode == 1, f"exit code {twin.returncode}")
            row.expect(f"pid {instance.process.pid}" in twin.stderr, f"it does not say who has it: {twin.stderr[-200:]}")
            row.n += 1
        async with await caller(instance) as client:
            row.expect(await answers(client, "/readyz") == 200, "the first one suffered")
    row.say("the lock is on DATA_DIR; two apps with a DATA_DIR each on one database are allowed")


def _twin(instance: Instance) -> "subprocess.CompletedProcess[str]":
    environment = instance.environment | {"SPILLWAY_PORT": "0"}
    environment["SPILLWAY_PORT"] = str(instance.port + 1 if instance.port < 60_000 else instance.port - 1)
    return subprocess.run(
        [sys.executable, "-m", "dashboard_app", "serve"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def f20(stand: Stand, row: Row) -> None:
    """Settings that are wrong: all mistakes at once, by name, no traceback, no secret."""
    chance = random.Random(20)  # noqa: S311 - which mistake, not a secret
    names = [name.upper() for name in Settings.model_fields]
    junk = [
        "",
        "-1",
        "0x10",
        "1e999",
        "nan",
        "tru",
        "a\x00b"[:1],
        "9" * 400,
        "½",
        "\ud800".encode("utf-16", "surrogatepass").hex(),
        "[1",
        "10/fortnight",
        "  ",
    ]
    folder = stand.folder / f"settings-{time.monotonic_ns()}"
    folder.mkdir()
    for number in range(stand.count(500, 20)):
        wrong = {f"SPILLWAY_{chance.choice(names)}": chance.choice(junk) for _ in range(chance.randint(1, 6))}
        if number % 3 == 0:
            wrong[f"SPILLWAY_{chance.choice(names)}_{number}"] = SECRET
        wrong |= {"SPILLWAY_ADMIN_PASSWORD": SECRET, "SPILLWAY_SECRET_KEY": SECRET}
        file = folder / ".env"
        file.write_text("\n".join(f"{name}={value}" for name, value in wrong.items()))
        try:
            load_settings(wrong if number % 2 else {}, None if number % 2 else file)
        except StartRefused as refused:
            row.expect(SECRET not in refused.detail, f"a secret was printed: {sorted(wrong)}")
            row.expect("SPILLWAY_" in refused.detail, "no name")
        row.n += 1
    for extra in ({"SPILLWAY_PORT": "http", "SPILLWAY_POOL_SIZE": "-3"}, {"SPILLWAY_NO_SUCH": "x", "SPILLWAY_DEMO": "perhaps"}):
        began = time.monotonic()
        done = await asyncio.to_thread(_started_with, folder, extra)
        row.waited(time.monotonic() - began)
        row.expect(done.returncode == 2, f"exit code {done.returncode}")
        row.expect("Traceback" not in done.stderr and SECRET not in done.stderr, f"it says {done.stderr[-300:]}")
        row.expect(all(name in done.stderr for name in extra), f"not every mistake is named: {done.stderr[-300:]}")


def _started_with(folder: Path, extra: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPILLWAY_")}
    environment |= {"SPILLWAY_DATA_DIR": str(folder / "data"), "SPILLWAY_SECRET_KEY": SECRET, **extra}
    return subprocess.run(
        [sys.executable, "-m", "dashboard_app", "serve"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def _prober() -> httpx.AsyncClient:
    """As patient as a probe is."""
    return httpx.AsyncClient(timeout=1)


async def f22(stand: Stand, row: Row) -> None:
    """The event loop stands still: the stack is in the log while it does, the own port of /livez answers, then all goes on."""
    live = free_port()
    launch = Launch("tests.faults.matrix.launched", environment={"STALL_S": "1.5"})
    address = await stand.database()
    async with stand.instance(address, launch, live_port=live) as instance, await caller(instance) as client, _prober() as probe:
        for _ in range(stand.count(5)):
            seen = instance.log.read_text().count("the event loop has stood still")
            instance.process.send_signal(signal.SIGUSR1)
            stalled = time.monotonic()
            await asyncio.sleep(0.1)
            went = asyncio.create_task(answers(client, "/livez"))
            lives = []
            while not went.done():
                began = time.monotonic()
                answer = await probe.get(f"http://127.0.0.1:{live}/livez")
                lives.append(time.monotonic() - began)
                row.expect(answer.status_code == 200, f"/livez on its own port: {answer.status_code}")
                await asyncio.sleep(0.05)
            row.expect(await went == 200, "the loop did not go on")
            row.expect(time.monotonic() - stalled >= 1.2, "the loop did not stand")
            row.recovered(time.monotonic() - stalled - 1.5)
            row.waited(percentile(lives, 1.0))
            said = instance.log.read_text()
            row.expect(said.count("the event loop has stood still") > seen, "the log does not tell")
            row.expect("in _stall" in said, "the log has no stack of it")
            row.n += 1
        row.expect(rss_kb(instance.process.pid) > 0, "it is gone")
    row.say("longest wait: /livez on LIVE_PORT while the loop stood for 1.5 s")
