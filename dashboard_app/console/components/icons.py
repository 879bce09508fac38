"""Lucide icons, built in; a name that comes from state is chosen from a fixed set, so nothing is loaded later."""

from collections.abc import Iterable

import reflex as rx

from dashboard_app.console import theme

STATE_ICONS = tuple(sorted({look.icon for table in (theme.STATUS, theme.LEVEL, theme.POOL, theme.SEVERITY) for look in table.values()}))
BREAKER_ICONS = tuple(sorted({look.icon for look in theme.BREAKER.values()}))
KIND_ICONS = tuple(theme.KIND_ICON.values())


def icon(name: str, size: int = 15) -> rx.Component:
    """One icon in the current text colour, hidden from readers: the word beside it speaks."""
    return rx.icon(name, size=size, class_name="ic", flex_shrink="0", custom_attrs={"aria-hidden": "true"})


def icon_of(name: rx.Var[str], names: Iterable[str] = STATE_ICONS, size: int = 14) -> rx.Component:
    """The icon whose name is in `name`, one of `names`; nothing for any other."""
    return rx.match(name, *((one, icon(one, size)) for one in names), rx.fragment())
