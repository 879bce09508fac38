"""The line chart of the console: uPlot behind one Reflex component, with its frame, list of marks and empty states."""

from typing import Any

import reflex as rx

from dashboard_app.console.components.live import sentence


class LiveChart(rx.NoSSRComponent):
    """A chart that takes `data` once and then only what is new.

    `data` is columns: [[epoch seconds…], [values or None…], …]; `patch` is {"points": [[epoch seconds, value, …], …]}.
    `series` is [{"label", "kind": "line" | "step"}], `bands` [{"low", "high", "tone", "name"}], `marks` [{"t", "letter"}].
    `shown_from` and `shown_to` are epoch seconds, 0: follow the data; `window_s` 0: keep every point.
    """

    library = "$/public/js/live_chart.jsx"
    tag = "LiveChart"
    lib_dependencies: list[str] = ["uplot@1.6.32"]  # noqa: RUF012 - Reflex declares props this way

    data: rx.Var[list[list[float | None]]]
    series: rx.Var[list[dict[str, str]]]
    patch: rx.Var[dict[str, list[list[float | None]]]]
    bands: rx.Var[list[dict[str, Any]]]
    marks: rx.Var[list[dict[str, Any]]]
    ticks: rx.Var[list[float]]
    height: rx.Var[int]
    y_max: rx.Var[float]
    y_least: rx.Var[float]
    unit: rx.Var[str]
    label: rx.Var[str]
    sync_key: rx.Var[str]
    window_s: rx.Var[float]
    live: rx.Var[bool]
    shown_from: rx.Var[float]
    shown_to: rx.Var[float]

    def add_imports(self) -> Any:
        """The stylesheet of uPlot, stylesheet, served by us like everything else."""
        return {"": "uplot/dist/uPlot.min.css"}


def live_chart(*, height: int, **props: Any) -> rx.Component:
    """A chart in a box that has its final height before the script arrives, so nothing below it ever shifts."""
    return rx.el.div(LiveChart.create(height=height, **props), class_name="lc-frame", style={"min_height": f"{height + 58}px"})


def mark_list(rows: rx.Var) -> rx.Component:
    """What the letters on a chart mean; nothing when there are none."""
    listed = rx.el.ol(rx.foreach(rows, _mark), class_name="evl")
    return rx.cond(rows.length() > 0, listed, rx.fragment())


def _mark(mark: rx.Var) -> rx.Component:
    """One event: letter, time, what happened."""
    return rx.el.li(rx.el.b(mark.letter), sentence(mark.at, "span", class_name="when"), rx.el.span(mark.text))
