"""The loader's calls: one source, or many at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dashboard_app.console.client.caller import Call
from dashboard_app.console.client.wire import ONE_SOURCE_CAP_BYTES
from dashboard_app.model.user import Principal
from dashboard_app.runtime.request_queue import Priority

BULK_AT_MOST = 100
"""Sources that one bulk read asks for, at most."""


def _nothing() -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class ReadHow:
    """How the loader reads: `on_start` is called at the real start, after the queue; `urgent`: in view; `paced`: by a window."""

    on_start: Callable[[], None] = _nothing
    urgent: bool = False
    is_known_sick: bool = False
    paced: bool = False


def one_call(what: tuple[int, str], principal: Principal | None, how: ReadHow) -> Call:
    """The request for one source's `health` or `stats`; with a principal it is a person's click."""
    source_id, word = what
    background = Priority.VIEW if how.urgent else Priority.BACKGROUND
    return Call(
        "GET",
        f"/scan/data-sources/{source_id}/{word}",
        background if principal is None else Priority.CLICK,
        key=f"source {source_id}",
        may_try=principal is None,
        principal=principal,
        on_start=how.on_start,
        is_known_sick=how.is_known_sick,
        is_paced=how.paced,
        cap_bytes=ONE_SOURCE_CAP_BYTES,
    )


def bulk_call(word: str, source_ids: Sequence[int], how: ReadHow) -> Call:
    """The request for several sources; its failures count for the breaker as those of one."""
    return Call(
        "GET",
        f"/scan/data-sources/{word}",
        key=f"bulk {word}",
        may_try=True,
        params={"ids": ",".join(map(str, source_ids))},
        on_start=how.on_start,
        is_paced=how.paced,
    )
