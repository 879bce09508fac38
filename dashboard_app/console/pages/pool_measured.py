"""The part of `/pool`'s state that shows what the guard has measured: the pool's size, response times, clients."""

import reflex as rx

from dashboard_app.console.context import console
from dashboard_app.console.pages.pool_reads import Measured
from dashboard_app.console.rows import measured
from dashboard_app.console.rows.pool import Fact
from dashboard_app.console.rows.sizing import SizingView, view
from dashboard_app.console.session import assign

SIZING_EVERY_S = 30.0
"""It looks back an hour and costs the server a fraction of a second."""


class PoolMeasured(rx.State, mixin=True):
    """Three panels. What the server does not offer is not drawn."""

    measured_note: str = ""
    has_sizing: bool = False
    sizing: SizingView = SizingView()
    has_performance: bool = False
    efficiency: rx.Field[list[Fact]] = rx.field(default_factory=list)
    route_rows: rx.Field[list[measured.RouteRow]] = rx.field(default_factory=list)
    routes_heading: str = ""
    has_clients: bool = False
    client_rows: rx.Field[list[measured.ClientRow]] = rx.field(default_factory=list)
    clients_heading: str = ""

    _sized_mono: float = 0.0

    def _wants_sizing(self, at_once: bool) -> bool:
        """True when the sizing is due."""
        return at_once or console().clock.monotonic() - self._sized_mono >= SIZING_EVERY_S

    def _show_measured(self, told: Measured) -> None:
        """Take over what was read; when a reading failed the last values stay and the note says so."""
        assign(self, measured_note=told.note)
        if told.performance is not None:
            assign(
                self,
                has_performance=True,
                efficiency=measured.efficiency(told.performance),
                route_rows=measured.routes(told.performance),
                routes_heading=measured.routes_heading(told.performance),
            )
        if told.clients is not None:
            rows, heading = measured.clients(told.clients), measured.clients_heading(told.clients)
            assign(self, has_clients=True, client_rows=rows, clients_heading=heading)
        if told.sizing is not None:
            self._sized_mono = console().clock.monotonic()
            assign(self, has_sizing=True, sizing=view(told.sizing))
