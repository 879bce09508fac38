"""F19, F23: poison at the door, no descriptor left to open it."""

import asyncio
import contextlib
import os
import socket
import time

from tests.faults.jobs.outages import poisoned
from tests.faults.matrix.row import Row
from tests.faults.matrix.stand import Stand, caller, cpu_s, ready
from tests.instance import Launch

POISON = (
    b'{"updates": [{"job_id": 1, "status": "finished"}]}',
    b'{"updates": [{"job_id": -1, "status": "error"}]}',
    b'{"updates": [{"job_id": 1e400, "status": "error"}]}',
    b'{"updates": [{"job_id": NaN, "status": "error"}]}',
    b'{"updates": [{"job_id": 99999999999999999999, "status": "error"}]}',
    b'{"updates": [{"job_id": 1, "status": "error", "error_message": "a\\u0000b"}]}',
    b'{"updates": [{"job_id": 1, "status": "error", "error_message": "\\ud800"}]}',
    b'{"updates": [{"job_id": 1, "status": "error", "error_message": "' + b"x" * 1_000_000 + b'"}]}',
    b'{"updates": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b'{"updates": [{"job_id": "1; DROP TABLE jobs", "status": "error"}]}',
    b'{"updates": "all"}',
    b"\xff\xfe{}",
    b"",
)


async def f19(stand: Stand, row: Row) -> None:
    """Poison among updates: named at the door or a dead letter, its neighbours are written."""
    async with stand.instance(await stand.database()) as instance, await caller(instance) as client:
        made = (await client.post("/api/v1/jobs", json={"jobs": [{"kind": "row"}] * 2})).json()["ids"]
        for body in POISON:
            began = time.monotonic()
            answer = await client.post("/api/v1/jobs/status", content=body, headers={"Content-Type": "application/json"})
            row.waited(time.monotonic() - began)
            refused = 400 <= answer.status_code < 500 or (answer.status_code == 202 and answer.json()["rejected"])
            row.expect(refused, f"{body[:60]!r}: {answer.status_code} {answer.text[:100]}")
            good = await client.patch(f"/api/v1/jobs/{made[0]}/status", json={"status": "processing"})
            row.expect(good.status_code == 202, f"the next good one after {body[:40]!r}: {good.status_code}")
            row.n += 1
    outcome = await asyncio.to_thread(poisoned, stand.count(20_000, 2_000))
    row.n += outcome.runs
    row.lost, row.duplicated = outcome.lost, outcome.backwards
    row.expect(outcome.is_well, "poison in bulk")
    row.say(f"{len(POISON)} kinds of poison over HTTP; {outcome.notes[0]}, {outcome.acknowledged} good ones written")


async def f23(stand: Stand, row: Row) -> None:
    """No descriptor is left: no spinning, and it goes on when there are some again."""
    launch = Launch(prefix=("sh", "-c", 'ulimit -n 256; exec "$@"', "sh"))
    async with stand.instance(await stand.database(), launch, keep_alive_s=3600) as instance:
        pid = instance.process.pid
        held = []
        for _ in range(300):
            one = socket.socket()
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", instance.port))
            held.append(one)
            await asyncio.sleep(0.002)
        await asyncio.sleep(1)
        seconds, used = max(5 * stand.share, 2), cpu_s(pid)
        await asyncio.sleep(seconds)
        share = (cpu_s(pid) - used) / seconds
        alive, used_up = instance.process.poll() is None, len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - a list of names is all
        for one in held:
            one.close()
        row.recovered(await ready(instance, 20))
        row.n = len(held)
        row.expect(alive, "it ended")
        row.expect(used_up >= 250, f"only {used_up} descriptors were in use")
        said = instance.log.read_text()
        noise = said.count("Too many open files")
    row.expect(share <= 0.2, f"{share:.0%} of a processor meanwhile")
    row.expect(row.recover_s <= 5, f"back after {row.recover_s:.1f} s")
    row.say(f"256 descriptors, 300 sockets: {share:.0%} of a processor; {noise} lines of the log say so")
