"""The past of a source, as few points as a chart can show, computed in the database."""

import re
from datetime import datetime

from dashboard_app.model.errors import InvalidInput
from dashboard_app.store.samples import SampleStore

POINTS_LIMIT = 1_000
TIMELINE_LIMIT = 1_000
NO_SAMPLE = "-"
_METRIC = re.compile(r"[a-z][a-z0-9_]{0,99}")


class History:
    """Reads samples. The caller holds admission and knows that the source exists."""

    def __init__(self, store: SampleStore) -> None:
        """No I/O here."""
        self._store = store

    async def points(self, source_id: int, metric: str, since: datetime, until: datetime, points: int = 300) -> list[tuple[int, float]]:
        """(epoch in ms, value) in order of time, at most `points`, with the least and the greatest of every span kept.

        `metric` is "latency_ms" or the name of any metric; an unknown one has no points. A time without samples has no points.

        Raises:
            InvalidInput: `points` is not 1 to 1,000, or `since` is not before `until`. DatabaseUnavailable.

        """
        _check_span(since, until)
        if not 1 <= points <= POINTS_LIMIT:
            raise InvalidInput(f"points: must be 1 to {POINTS_LIMIT}", ({"field": "points", "message": f"must be 1 to {POINTS_LIMIT}"},))
        if _METRIC.fullmatch(metric) is None:
            return []
        return await self._store.points(source_id, metric, since, until, points)

    async def timeline(self, source_id: int, since: datetime, until: datetime, buckets: int = 288) -> str:
        """One letter for each of `buckets` equal spans: the worst outcome in it (b, w, u, o), `-` when there is no sample.

        Raises:
            InvalidInput: `buckets` is not 1 to 1,000, or `since` is not before `until`. DatabaseUnavailable.

        """
        _check_span(since, until)
        if not 1 <= buckets <= TIMELINE_LIMIT:
            raise InvalidInput(
                f"buckets: must be 1 to {TIMELINE_LIMIT}", ({"field": "buckets", "message": f"must be 1 to {TIMELINE_LIMIT}"},)
            )
        worst = await self._store.timeline(source_id, since, until, buckets)
        return "".join(worst.get(bucket, NO_SAMPLE) for bucket in range(buckets))


def _check_span(since: datetime, until: datetime) -> None:
    """A span of time has a length, and both ends say their zone."""
    if since.tzinfo is None or until.tzinfo is None or since >= until:
        raise InvalidInput("from: must be before to", ({"field": "from", "message": "must be before to"},))
