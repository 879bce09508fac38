"""What an event hands to its handler must fit the handler: Reflex passes on whatever was sent, and logs what does not fit with its value."""

import inspect
import logging
from collections.abc import Mapping
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import reflex as rx
from reflex.state import StateUpdate
from reflex_base.event import Event
from reflex_base.registry import RegistrationContext
from reflex_base.utils.types import get_type_hints

_LOG = logging.getLogger(__name__)
_KINDS: Mapping[Any, tuple[type, ...]] = {
    str: (str,),
    bool: (bool,),
    int: (int,),
    float: (int, float),
    dict: (dict,),
    list: (list,),
    tuple: (list,),
    NoneType: (NoneType,),
}


class FittingArguments(rx.Middleware):
    """Put behind `EventGate`: `app.add_middleware(FittingArguments(), index=1)`."""

    async def preprocess(self, app: Any, state: Any, event: Event) -> StateUpdate | None:  # noqa: ARG002 - Reflex's signature
        """None lets the event run; a StateUpdate stops it."""
        if fits(parameters_of(event.name), event.payload):
            return None
        _LOG.warning("event %s has arguments that do not fit", event.name[:200].encode("ascii", "backslashreplace").decode())
        return StateUpdate()


@lru_cache(maxsize=2000)
def parameters_of(name: str) -> tuple[tuple[str, Any, bool], ...]:
    """Name, type and whether it is needed of each parameter of a registered handler."""
    function = RegistrationContext.get().event_handlers[name].handler.fn
    hints = get_type_hints(function)
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return tuple((one.name, hints.get(one.name, Any), one.default is inspect.Parameter.empty) for one in parameters)


def fits(parameters: tuple[tuple[str, Any, bool], ...], payload: object) -> bool:
    """True when `payload` names parameters only, every one that is needed, and each value is of its kind."""
    if not isinstance(payload, Mapping):
        return False
    kinds = {name: kind for name, kind, _ in parameters}
    needed = {name for name, _, is_needed in parameters if is_needed}
    return needed <= payload.keys() <= kinds.keys() and all(_is_a(value, kinds[name]) for name, value in payload.items())


def _is_a(value: object, kind: Any) -> bool:
    """True when `value`, as JSON brings it, is of `kind`; a kind that is not looked into takes anything."""
    origin = get_origin(kind)
    if origin in {Union, UnionType}:
        return any(_is_a(value, one) for one in get_args(kind))
    taken = _KINDS.get(origin or kind)
    if taken is None:
        return True
    if isinstance(value, bool):
        return bool in taken
    return isinstance(value, taken)
