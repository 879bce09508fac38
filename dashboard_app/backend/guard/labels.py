"""Who asks: the label that code puts round its database work, else the name of its asyncio task or thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Label:
    """Names for what is checked out. `exempt`: the reason why a long hold is right; "" means it is judged like any other."""

    task: str = ""
    route: str = ""
    exempt: str = ""


_label: ContextVar[Label] = ContextVar("spillway_guard_label", default=Label())  # noqa: B039 - frozen


def current_label() -> Label:
    """The label in force, with the task's or thread's own name where none was given."""
    label = _label.get()
    return label if label.task else Label(_own_name(), label.route, label.exempt)


@contextmanager
def labelled(*, task: str = "", route: str = "", exempt: str = "") -> Iterator[None]:
    """Inside, checkouts carry these names; "" keeps what was in force outside."""
    outer = _label.get()
    token = _label.set(Label(task or outer.task, route or outer.route, exempt or outer.exempt))
    try:
        yield
    finally:
        _label.reset(token)


def _own_name() -> str:
    """The running asyncio task's name, or the thread's."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return task.get_name() if task is not None else threading.current_thread().name
