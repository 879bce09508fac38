"""What must be done before other loops may begin."""

import asyncio
import logging

import pytest

from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import DatabaseUnavailable
from dashboard_app.runtime.preparation import Preparation


async def test_it_is_tried_once_a_second_until_the_database_is_there_and_only_then_others_begin(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    clock, tried, told = ManualClock(), [], []

    async def prepare() -> None:
        tried.append(clock.monotonic())
        if len(tried) < 3:
            raise DatabaseUnavailable("nothing listens")

    async def loop() -> None:
        told.append(clock.monotonic())

    preparation = Preparation("storage", prepare, clock)
    tasks = [asyncio.create_task(run()) for run in (preparation.before(loop), preparation.run)]
    began = clock.monotonic()
    await clock.advance(1.5)
    assert (told, preparation.is_done) == ([], False)
    await clock.advance(1.0)
    await asyncio.gather(*tasks)
    assert tried == [began, began + 1.0, began + 2.0]
    assert (told, preparation.is_done) == ([began + 2.0], True)
    assert [record.getMessage() for record in caplog.records] == ["storage is not ready, trying again in 1 s: nothing listens"] * 2
