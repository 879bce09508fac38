"""How long a coroutine's own steps take, without what runs on the loop while it waits."""

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class OwnTime(Generic[Result]):
    """`await OwnTime(work(), clock.monotonic, note)`: `work()` as it is; `note` hears how many seconds each of its steps took."""

    def __init__(self, work: Coroutine[Any, Any, Result], now: Callable[[], float], note: Callable[[float], None]) -> None:
        """`now` in monotonic seconds."""
        self._work, self._now, self._note = work, now, note

    def __await__(self) -> Generator[Any, Any, Result]:
        """Pass on what the work waits for, and what it is given or thrown meanwhile."""
        given: Any = None
        thrown: BaseException | None = None
        while True:
            began = self._now()
            try:
                waited_for = self._work.send(given) if thrown is None else self._work.throw(thrown)
            except StopIteration as end:
                result: Result = end.value
                return result
            finally:
                self._note(self._now() - began)
            try:
                given, thrown = (yield waited_for), None
            except BaseException as error:  # noqa: BLE001 - a cancellation is the work's to handle
                given, thrown = None, error
