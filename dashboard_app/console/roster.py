"""What a lane knows of its sources: how old each is, who fails, which round is under way, and who is read next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from dashboard_app.console.lane_words import RoundReport
from dashboard_app.model.clock import Clock
from dashboard_app.policy.freshness import Freshness, Track, first_of, in_order, next_round_at


@dataclass(frozen=True, slots=True)
class Choice:
    """Whom to read next: one source, by the slow lane or not, or several by one request."""

    source_ids: tuple[int, ...]
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What the pace allows the next choice: sources in view, places for suspects, and sources in one request.

    `bulk_at_most` 1: no bulk reads; 0: enough of them are under way, nobody but suspects may be read now.
    """

    visible: frozenset[int]
    suspects_at_most: int
    bulk_at_most: int


@dataclass(slots=True)
class _Round:
    """A round under way."""

    began: float
    started_at: datetime
    pending: set[int]
    is_regular: bool
    failed: set[int] = field(default_factory=set)


class Roster:
    """Owned by a lane, which keeps `busy`, `waiting` and `slow_running` true."""

    def __init__(self, rules: Freshness, clock: Clock, chance: Callable[[], float]) -> None:
        """Nobody to read."""
        self._rules, self._clock, self._chance = rules, clock, chance
        self._tracks: dict[int, Track] = {}
        self._round: _Round | None = None
        self._regular_at: float | None = None
        self._alone: set[int] = set()
        self.busy: set[int] = set()
        """Sources with a reading under way, retries included."""
        self.waiting: set[int] = set()
        """Of those, the ones whose retry waits for its turn."""
        self.slow_running: set[int] = set()
        self.last_round: RoundReport | None = None
        self.on_round: Callable[[RoundReport], None] = lambda _report: None
        """Hears of each round that has ended."""

    @property
    def is_running(self) -> bool:
        """True while a round is under way."""
        return self._round is not None

    @property
    def total(self) -> int:
        """How many sources there are."""
        return len(self._tracks)

    @property
    def slow_count(self) -> int:
        """How many belong to the slow lane."""
        return sum(track.is_slow for track in self._tracks.values())

    @property
    def pending_count(self) -> int:
        """How many the round has not done; between rounds, how many were never read."""
        if self._round is not None:
            return len(self._round.pending)
        return sum(track.read_at is None for track in self._tracks.values() if not track.is_slow)

    def places(self) -> dict[int, str]:
        """Where each source is: d done, r asked now (or waiting for its turn to be), w waiting for the round, s slow lane, f failed."""
        pending = self._round.pending if self._round else frozenset()
        failed = self._round.failed if self._round else frozenset()
        return {
            key: "r" if key in self.busy else "s" if track.is_slow else "w" if key in pending else "f" if key in failed else "d"
            for key, track in self._tracks.items()
        }

    def is_slow(self, source_id: int) -> bool:
        """True when the source belongs to the slow lane."""
        return (track := self._tracks.get(source_id)) is not None and track.is_slow

    def is_suspect(self, source_id: int) -> bool:
        """True when the source has just failed, or gave no good answer in a bulk read: it is read by itself."""
        track = self._tracks.get(source_id)
        return source_id in self._alone or (track is not None and track.failures > 0)

    def set_sources(self, source_ids: set[int], known: Mapping[int, float]) -> None:
        """Read these from now on; `known` are the moments of readings restored from disk, used for sources new to the lane."""
        for gone in self._tracks.keys() - source_ids:
            self.drop(gone)
            if self._round is not None:
                self._round.pending.discard(gone)
        for new in source_ids - self._tracks.keys():
            self._tracks[new] = Track(read_at=known.get(new))
            if self._round is not None and self._tracks[new].is_due(self._clock.monotonic(), self._rules):
                self._round.pending.add(new)

    def retune(self, rules: Freshness) -> None:
        """Judge ages by other rules from now on; the next regular round counts from the last one by the new interval."""
        if self._regular_at is not None:
            self._regular_at += rules.refetch_s - self._rules.refetch_s
        self._rules = rules

    def begin_all(self, now: float) -> None:
        """Begin a round over all sources, whatever their age; those in the slow lane are asked at once, too."""
        self._begin(now, set(self._tracks), is_regular=True)
        self._tracks = {key: Track(t.read_at, t.failures, min(t.next_slow_at, now)) for key, t in self._tracks.items()}

    def begin_when_due(self, now: float) -> None:
        """Begin the regular round, or a small one for sources that are new or whose reading from disk has grown too old.

        A round that waits for nobody but suspects holds up no regular one: they go over into it.
        """
        if self._round is not None and self._is_held_by_suspects(now):
            late, self._round.pending = self._round.pending, set()
            self._round.failed |= late
            self._end_when_done()
            due = {key for key, track in self._tracks.items() if track.is_due(now, self._rules)}
            self._begin(now, due | (late & self._tracks.keys()), is_regular=True)
        if self._round is not None or not self._tracks:
            return
        if self._regular_at is None or now >= self._regular_at:
            self._begin(now, {key for key, track in self._tracks.items() if track.is_due(now, self._rules)}, is_regular=True)
        elif overdue := {key for key, track in self._tracks.items() if (at := track.overdue_at(self._rules)) is not None and at <= now}:
            self._begin(now, overdue, is_regular=False)

    def choose(self, now: float, scope: Scope) -> Choice | None:
        """Whom to read next. A due slow one goes first: there is only ever one of them."""
        if not self.slow_running:
            slow = {key: track for key, track in self._tracks.items() if track.is_slow and self._may_start_slow(key, track, now)}
            if slow:
                return Choice((min(slow, key=lambda key: slow[key].next_slow_at),), is_slow=True)
        free, suspects = self._free()
        if sum(map(self.is_suspect, self.busy - self.waiting - self.slow_running)) >= scope.suspects_at_most:
            suspects = {}
        candidates = suspects if scope.bulk_at_most == 0 else free | suspects
        first = first_of(candidates, scope.visible)
        if first is None or scope.bulk_at_most <= 1 or first in suspects:
            return None if first is None else Choice((first,))
        return Choice(in_order(free, scope.visible)[: scope.bulk_at_most])

    def next_moment(self, now: float) -> float | None:
        """When something is due with nothing else happening."""
        moments: list[float] = []
        if self._round is None and self._regular_at is not None and self._tracks:
            overdue = [at for track in self._tracks.values() if (at := track.overdue_at(self._rules)) is not None]
            moments = [self._regular_at, *overdue]
        if self._round is not None and (end := self._round.began + self._rules.refetch_s) > now:
            moments.append(end)
        if not self.slow_running:
            moments += [track.next_slow_at for key, track in self._tracks.items() if track.is_slow and key not in self.busy]
        return max(min(moments), now) if moments else None

    def next_check_s(self, source_id: int) -> float | None:
        """Seconds until this source is asked next, 0 while it is due; None: it is not read."""
        track = self._tracks.get(source_id)
        if track is None:
            return None
        now = self._clock.monotonic()
        if track.is_slow:
            return max(track.next_slow_at - now, 0.0)
        if source_id in self.busy or (self._round and source_id in self._round.pending) or self._regular_at is None:
            return 0.0
        overdue_at = track.overdue_at(self._rules)
        return max(min(self._regular_at, self._regular_at if overdue_at is None else overdue_at) - now, 0.0)

    def drop(self, source_id: int) -> None:
        """The source is gone."""
        self._tracks.pop(source_id, None)
        self._alone.discard(source_id)

    def set_alone(self, source_id: int) -> None:
        """A bulk read brought no good news of this source: read it by itself."""
        if source_id in self._tracks:
            self._alone.add(source_id)

    def note(self, source_id: int, *, is_well: bool, was_read: bool) -> None:
        """Keep what an outcome says about the source; one that moves to the slow lane leaves the round."""
        track = self._tracks.get(source_id)
        if track is None:
            return
        now = self._clock.monotonic()
        self._alone.discard(source_id)
        if is_well:
            self._tracks[source_id] = track.succeeded(now)
            return
        after = track.failed(now, self._rules, self._chance(), was_read=was_read)
        self._tracks[source_id] = after
        if after.is_slow:
            self.done(source_id, has_failed=True)

    def done(self, source_id: int, *, has_failed: bool) -> None:
        """The round is done with this source."""
        if self._round is None or source_id not in self._round.pending:
            return
        self._round.pending.discard(source_id)
        if has_failed:
            self._round.failed.add(source_id)
        self._end_when_done()

    def _free(self) -> tuple[dict[int, Track], dict[int, Track]]:
        """Sources of the round that may be read now and do not belong to the slow lane: the calm ones, and the suspects."""
        pending = self._round.pending & self._tracks.keys() if self._round else set()
        able = {key: self._tracks[key] for key in pending if key not in self.busy or key in self.waiting}
        normal = {key: track for key, track in able.items() if not track.is_slow}
        suspects = {key: track for key, track in normal.items() if self.is_suspect(key)}
        return {key: track for key, track in normal.items() if key not in suspects}, suspects

    def _is_held_by_suspects(self, now: float) -> bool:
        """True when the next regular round is due and all that the one under way still waits for are suspects."""
        under_way = self._round
        if under_way is None or not under_way.is_regular or now < under_way.began + self._rules.refetch_s:
            return False
        return all(map(self.is_suspect, under_way.pending))

    def _may_start_slow(self, source_id: int, track: Track, now: float) -> bool:
        """True when its interval is over, or its last retry waits for a turn."""
        return source_id in self.waiting or (track.next_slow_at <= now and source_id not in self.busy)

    def _begin(self, now: float, members: set[int], *, is_regular: bool) -> None:
        """Begin a round over `members` that are not in the slow lane."""
        pending = {key for key in members if not self._tracks[key].is_slow}
        self._round = _Round(now, self._clock.now(), pending, is_regular)
        self._end_when_done()

    def _end_when_done(self) -> None:
        """End the round when nobody is pending."""
        if self._round is None or self._round.pending:
            return
        ended, self._round = self._round, None
        now = self._clock.monotonic()
        self.last_round = RoundReport(ended.started_at, self._clock.now(), now - ended.began, len(ended.failed))
        self.on_round(self.last_round)
        if ended.is_regular:
            self._regular_at = next_round_at(ended.began, now, self._rules)
