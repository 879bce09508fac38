"""Text the browser keeps current: ages, countdowns, clock times; the strip of outcomes; rows that change one by one."""

from typing import Any

import reflex as rx
from reflex.event import no_args_event_spec
from reflex.vars import VarData


class Age(rx.Component):
    """An age or a countdown that ticks in the browser.

    `seconds` is the age (mode ago, old) or what is left (mode next) when it was sent; mode clock shows the time now; `stamp` changes with each new reading;
    `late` is the age from which it is marked (0: never); in `template` "{}" stands for the words.
    """

    library = "$/public/js/live.jsx"
    tag = "Age"
    seconds: rx.Var[float | int | None]
    stamp: rx.Var[str]
    late: rx.Var[float | int]
    mode: rx.Var[str]
    template: rx.Var[str]


class Sentence(rx.Component):
    """A sentence of `console/words.py`, its marks turned into bold words, code and local times, in an element named `element`."""

    library = "$/public/js/live.jsx"
    tag = "Sentence"
    text: rx.Var[str]
    element: rx.Var[str]


class Strip(rx.Component):
    """The last `places` outcomes as bars; `recent` is a string of o w b u, oldest first. `words` name the four for readers."""

    library = "$/public/js/strip.jsx"
    tag = "Strip"
    recent: rx.Var[str]
    places: rx.Var[int]
    noun: rx.Var[str]
    words: rx.Var[list[str]]


class Places(rx.Component):
    """The round of a lane as squares, one letter per source (`console/rows/breakers.py`)."""

    library = "$/public/js/places.jsx"
    tag = "Places"
    places: rx.Var[str]


class SignInAgain(rx.Component):
    """Leaves for the sign-in page, which leads back here, a second after it came into the page.

    Later, since the tab that signs out is on its way already; by a full page load, since a socket keeps the cookie that it was opened with.
    """

    library = "$/public/js/live.jsx"
    tag = "SignInAgain"


class StillSignedIn(rx.Component):
    """While it is there, asks every `seconds` whether the session is good and leaves for the sign-in page when it is not; draws nothing."""

    library = "$/public/js/live.jsx"
    tag = "StillSignedIn"
    seconds: rx.Var[float]


class After(rx.Component):
    """Calls `on_done` once `seconds` have passed; a new `stamp` starts anew. Waits while the pointer or focus is on its parent."""

    library = "$/public/js/live.jsx"
    tag = "After"
    seconds: rx.Var[int]
    stamp: rx.Var[str]

    @classmethod
    def get_event_triggers(cls) -> dict[str, Any]:
        """The usual triggers and `on_done`, which carries no values."""
        return super().get_event_triggers() | {"on_done": no_args_event_spec}


after = After.create
age = Age.create
strip = Strip.create
places = Places.create
sign_in_again = SignInAgain.create
still_signed_in = StillSignedIn.create


def sentence(text: rx.Var[str] | str, element: str = "span", **props: Any) -> rx.Component:
    """`text` with its marks as one element of the page (`h1`, `p`, `span` …)."""
    return Sentence.create(text=text, element=element, **props)


def patched_rows(rows: rx.Var, patch: rx.Var) -> rx.Var:
    """The rows to draw: `rows` as last sent whole, with the changed ones of `patch` {"seq", "rows"} in their places.

    Rows are objects with an `id`. Use it once per page, inside `rx.foreach`, and put `rows_again` in the page.
    """
    hook = f"const patchedRows = usePatchedRows({rows!s}, {patch!s});"
    data = VarData.merge(
        rows._get_all_var_data(),  # noqa: SLF001 - Reflex's own way to carry hooks and imports
        patch._get_all_var_data(),  # noqa: SLF001 - as above
        VarData(imports={"$/public/js/patched.js": "usePatchedRows"}, hooks={hook: None}),
    )
    return rx.Var("patchedRows", _var_type=rows._var_type, _var_data=data)  # noqa: SLF001 - as above


def rows_again(on_click: Any) -> rx.Component:
    """The hidden button by which the browser asks for all rows when it lost a patch."""
    return rx.el.button(id="rows-again", hidden=True, tab_index=-1, type="button", on_click=on_click)
