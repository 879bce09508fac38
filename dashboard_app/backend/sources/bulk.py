"""A bulk read: many sources by one call, where a slow one holds up nobody."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from dashboard_app.model.errors import InvalidInput, NotFound, SpillwayError

BULK_LIMIT = 100
BULK_PATIENCE_S = 1.5
"""A bulk read waits so long for its slowest; a reading that takes longer goes on, and who asks for that source alone shares it."""
_Result = TypeVar("_Result")


async def read_each(
    source_ids: Sequence[int], read: Callable[[int], Coroutine[Any, Any, _Result]], instead: Callable[[int], _Result]
) -> list[_Result]:
    """What `read` finds of each id in the order asked, read once and all at once; who is not done after BULK_PATIENCE_S has `instead`.

    Sources that do not exist are left out; who raised another of our errors has `instead`, too.

    Raises:
        InvalidInput: more than 100 ids.

    """
    if len(source_ids) > BULK_LIMIT:
        message = f"must be at most {BULK_LIMIT} ids"
        raise InvalidInput(f"ids: {message}", ({"field": "ids", "message": message},))
    ids = list(dict.fromkeys(source_ids))
    reading = {source_id: asyncio.create_task(read(source_id)) for source_id in ids}
    try:
        if reading:
            await asyncio.wait(reading.values(), timeout=BULK_PATIENCE_S)
        return [result for source_id, task in reading.items() if (result := _of(task, source_id, instead)) is not None]
    finally:
        for task in reading.values():
            task.cancel()  # whoever still waits; the probe itself goes on


def _of(task: "asyncio.Task[_Result]", source_id: int, instead: Callable[[int], _Result]) -> _Result | None:
    """What a reading of a bulk came to: its result, what is known instead, or None for a source that does not exist."""
    if not task.done():
        return instead(source_id)
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, NotFound):
        return None
    if isinstance(error, SpillwayError):
        return instead(source_id)
    raise error
