"""What `/sources/[id]` reads beside the snapshot: its charts and its last day. Failures come back as notes."""

import asyncio
from datetime import timedelta

from dashboard_app.console.context import console
from dashboard_app.console.rows import series, timeline
from dashboard_app.model.errors import SpillwayError
from dashboard_app.model.user import Principal


async def read_band(number: int, principal: Principal) -> timeline.Band | None:
    """The last 24 hours of one source, empty where the server does not offer them; None when they cannot be read now."""
    until = console().clock.now()
    try:
        letters = await console().backend.timeline(number, timeline.since(until), until, timeline.BUCKETS, principal=principal)
    except SpillwayError:
        return None
    return timeline.band(letters, until)


async def read_charts(number: int, chosen: series.Range, principal: Principal) -> list[series.ChartRow]:
    """The four charts of one source; one that cannot be read keeps its frame and says why."""
    reading = console().snapshot.metrics.get(number)
    metrics = series.chart_metrics(list(reading.value.metrics) if reading is not None else [])
    return list(await asyncio.gather(*(_read_chart(number, metric, chosen, principal) for metric in metrics)))


async def _read_chart(number: int, metric: str, chosen: series.Range, principal: Principal) -> series.ChartRow:
    """One chart."""
    settings, until = console().settings, console().clock.now()
    since = until - timedelta(seconds=chosen.seconds)
    try:
        points = await console().backend.history(number, metric, since, until, 300, principal=principal)
    except SpillwayError as failure:
        return series.chart_failed(metric, failure.detail)
    refetch_s = settings.health_refetch_s if metric == series.LATENCY else settings.metrics_refetch_s
    return series.chart_row(
        metric, points, range_s=float(chosen.seconds), refetch_s=refetch_s, over=f"last {chosen.word}", until_s=until.timestamp()
    )
