"""States of pages built directly, without an app: a root, an address, and what stands where Reflex puts its proxy."""

import inspect
from types import MethodType
from typing import Any, Self

import reflex as rx
from reflex.istate.data import RouterData


class Proxy:
    """Stands where Reflex puts its proxy in a background event: `async with self` is the state's lock."""

    def __init__(self, state: rx.State) -> None:
        object.__setattr__(self, "_own", state)

    def __getattr__(self, name: str) -> Any:
        found = inspect.getattr_static(type(self._own), name, None)
        return MethodType(found, self) if inspect.iscoroutinefunction(found) and name.startswith("_") else getattr(self._own, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._own, name, value)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


def opened_at(path: str, cookie: str = "session=x") -> rx.State:
    """The root state of a client that looks at `path`."""
    root = rx.State(_reflex_internal_init=True)
    root.router = RouterData.from_router_data(
        {"pathname": path, "asPath": path, "headers": {"origin": "http://localhost", "cookie": cookie}, "token": "client-1"}
    )
    return root


async def run(state: Any, handler: str, *args: object) -> Any:
    """Call one event handler of a state as Reflex would, to its end; a background one gets the proxy."""
    event = type(state).event_handlers[handler]
    result = event.fn(Proxy(state) if event.is_background else state, *args)
    if inspect.isasyncgen(result):
        return [step async for step in result]
    return await result if inspect.isawaitable(result) else result
