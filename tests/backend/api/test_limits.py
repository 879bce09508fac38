"""A body is counted and waited for, and no longer than that."""

import asyncio

import pytest
from starlette.exceptions import HTTPException

from dashboard_app.backend.api.limits import MAX_BODY_BYTES, MAX_BULK_BODY_BYTES, _counted, limit_of


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/scan/data-sources", MAX_BODY_BYTES),
        ("/api/v1/jobs", MAX_BULK_BODY_BYTES),
        ("/api/v1/events", MAX_BULK_BODY_BYTES),
        ("/x", MAX_BODY_BYTES),
    ],
)
def test_bulk_calls_take_16_mebibytes_the_rest_one(path, limit):
    assert limit_of(path) == limit


async def test_a_body_that_does_not_arrive_is_408():
    async def never():
        await asyncio.Event().wait()

    with pytest.raises(HTTPException) as refused:
        await _counted(never, 10, 0.01)()
    assert refused.value.status_code == 408


async def test_after_the_body_nobody_is_hurried():
    messages = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.request", "body": b"y"}]
    left = asyncio.Event()

    async def receive():
        if messages:
            return messages.pop(0)
        await left.wait()
        return {"type": "http.disconnect"}

    counted = _counted(receive, 10, 0.01)
    assert [(await counted())["body"], (await counted())["body"]] == [b"x", b"y"]
    waiting = asyncio.create_task(counted())
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    left.set()
    assert (await waiting)["type"] == "http.disconnect"
