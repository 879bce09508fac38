"""Who asks: the label that code puts round its database work, else the name of its asyncio task or thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_running_loop = asyncio._get_running_loop  # noqa: SLF001 - current_task() without a loop raises, which costs each sync checkout a microsecond


@dataclass(frozen=True, slots=True)
class Label:
    """Names for what is checked out. `exempt`: the reason why a long hold is right; "" means it is judged like any other."""

    task: str = ""
    route: str = ""
    exempt: str = ""


_label: ContextVar[Label] = ContextVar("spillway_guard_label", default=Label())  # noqa: B039 - frozen


current_label = _label.get
"""The label in force; a checkout without a task in it goes by its `own_name`."""


@contextmanager
def labelled(*, task: str = "", route: str = "", exempt: str = "") -> Iterator[None]:
    """Inside, checkouts carry these names; "" keeps what was in force outside."""
    outer = _label.get()
    token = _label.set(Label(task or outer.task, route or outer.route, exempt or outer.exempt))
    try:
        yield
    finally:
        _label.reset(token)


def own_name() -> str:
    """The running asyncio task's name, or the thread's."""
    loop = _running_loop()
    task = asyncio.current_task(loop) if loop is not None else None
    return task.get_name() if task is not None else threading.current_thread().name
