"""What went wrong, said where it was asked for; with the way to Your account when a proof is what is missing."""

import reflex as rx
from reflex_components_core.react_router import ReactRouterLink

from dashboard_app.console.components.icons import icon
from dashboard_app.policy.permission import PROOF_ASKED

PROOF_AT = "/account#prove"


def failed(text: rx.Var[str], *, is_panel: bool = True) -> rx.Component:
    """The line, or nothing while `text` is empty. `is_panel`: with a frame of its own, for where it stands on the page itself."""
    line = rx.el.p(
        icon("octagon-x", 14), rx.el.span(text, way_to_prove(text)), class_name="failed panel" if is_panel else "failed", role="alert"
    )
    return rx.cond(text != "", line, rx.fragment())


def form_note(text: rx.Var[str]) -> rx.Component:
    """What stands in a form about the form as a whole: why it was refused."""
    return rx.el.p(text, way_to_prove(text), role="status", class_name="fform")


def way_to_prove(text: rx.Var[str]) -> rx.Component:
    """A link to where a proof is given, behind a sentence that asks for one."""
    link = rx.fragment(
        " ", ReactRouterLink.create("Show it now", to=PROOF_AT, class_name="lnk", custom_attrs={"data-testid": "way-to-prove"})
    )
    return rx.cond(text.contains(PROOF_ASKED), link, rx.fragment())
