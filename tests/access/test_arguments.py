"""What an event hands to its handler must be what the handler takes."""

from typing import Any

import pytest

from dashboard_app.access.arguments import fits

TAKES = (("word", str, True), ("count", int, True), ("share", float, False), ("flag", bool | None, False), ("form", dict[str, Any], False))
GOOD = {"word": "x", "count": 1}


@pytest.mark.parametrize("more", [{}, {"share": 1}, {"share": 0.5}, {"flag": None}, {"flag": True}, {"form": {"a": 1}}])
def test_what_fits_goes_through(more: dict[str, Any]) -> None:
    assert fits(TAKES, GOOD | more)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {},
        {"word": "x"},
        GOOD | {"other": 1},
        GOOD | {"word": None},
        GOOD | {"word": ["x"]},
        GOOD | {"count": "1"},
        GOOD | {"count": True},
        GOOD | {"count": 1.5},
        GOOD | {"share": "0.5"},
        GOOD | {"share": False},
        GOOD | {"flag": 1},
        GOOD | {"form": []},
    ],
)
def test_what_does_not_fit_is_stopped(payload: Any) -> None:
    assert not fits(TAKES, payload)


def test_a_kind_that_is_not_looked_into_takes_anything() -> None:
    assert fits((("value", Any, True),), {"value": object()})
