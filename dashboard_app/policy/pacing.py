"""When a lane may start its next request: the batched plan, and the token bucket of a throttled client.

Times are monotonic seconds of REAL starts, after the queue. The plan: up to `batch_size` starts `stagger_s` apart, then
nothing until every request that holds the batch is answered and `batch_delay_s` has passed. With answers after a time `a`
shorter than the stagger a full batch takes (size - 1) x stagger + a + delay: 1.45 s for health, 1.85 s for metrics at 50 ms.
"""

from dataclasses import dataclass, replace

HOLD_S = 2.0
"""A request unanswered for so long no longer holds its batch (it keeps its place in flight): one slow source delays nobody."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Plan:
    """One lane's plan. `batch_size` is also the most requests in flight."""

    batch_size: int
    stagger_s: float
    batch_delay_s: float

    def least_round_s(self, count: int) -> float:
        """How long a round of `count` requests takes when each is answered at once: from the first start to the last. 0 for none."""
        if count < 1:
            return 0.0
        full, rest = divmod(count - 1, self.batch_size)
        return full * ((self.batch_size - 1) * self.stagger_s + self.batch_delay_s) + rest * self.stagger_s


@dataclass(frozen=True, slots=True)
class Pace:
    """Where a lane stands. `holding` maps a request in flight to its start, for those that hold the batch."""

    in_batch: int = 0
    in_flight: int = 0
    last_start: float | None = None
    last_hold_end: float | None = None
    holding: tuple[tuple[int, float], ...] = ()

    def started(self, key: int, now: float, plan: Plan, *, holds: bool = True) -> "Pace":
        """The lane after the start of request `key`. Retries and the slow lane's requests hold no batch."""
        settled = self._settled(now)
        is_new_batch = settled.in_batch >= plan.batch_size or _is_over(settled, now, plan)
        return replace(
            settled,
            in_batch=1 if is_new_batch else settled.in_batch + 1,
            in_flight=settled.in_flight + 1,
            last_start=now,
            last_hold_end=None if is_new_batch else settled.last_hold_end,
            holding=(*settled.holding, (key, now)) if holds else settled.holding,
        )

    def answered(self, key: int, now: float) -> "Pace":
        """The lane after the answer (or the failure) of request `key`."""
        settled = self._settled(now)
        held = any(each == key for each, _ in settled.holding)
        return replace(
            settled,
            in_flight=settled.in_flight - 1,
            holding=tuple(pair for pair in settled.holding if pair[0] != key),
            last_hold_end=now if held else settled.last_hold_end,
        )

    def next_start(self, plan: Plan, now: float) -> float | None:
        """The earliest moment for the next start, maybe in the past; None: not before another answer."""
        settled = self._settled(now)
        if settled.in_flight >= plan.batch_size:
            return None
        if settled.last_start is None:
            return now
        after_stagger = settled.last_start + plan.stagger_s
        if settled.in_batch < plan.batch_size:
            return after_stagger
        if settled.holding:
            return max(after_stagger, settled.holding[-1][1] + HOLD_S + plan.batch_delay_s)
        return max(after_stagger, _hold_end(settled) + plan.batch_delay_s)

    def _settled(self, now: float) -> "Pace":
        """The lane without the holds that have lasted HOLD_S."""
        if not self.holding or self.holding[0][1] + HOLD_S > now:
            return self
        late = [start + HOLD_S for _, start in self.holding if start + HOLD_S <= now]
        kept = tuple(pair for pair in self.holding if pair[1] + HOLD_S > now)
        return replace(self, holding=kept, last_hold_end=max(*late, self.last_hold_end or 0.0))


def _hold_end(pace: Pace) -> float:
    """When the batch stopped being held; its last start when nothing held it."""
    return max(pace.last_hold_end or 0.0, pace.last_start or 0.0)


def _is_over(pace: Pace, now: float, plan: Plan) -> bool:
    """True when a batch that was not filled has been quiet for the delay: the next start opens a new one."""
    return not pace.holding and pace.last_start is not None and now >= _hold_end(pace) + plan.batch_delay_s


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: `tokens` at time `at`, filled with `per_minute` tokens a minute up to `per_minute`."""

    per_minute: int
    tokens: float
    at: float

    @staticmethod
    def full(per_minute: int, now: float) -> "Bucket":
        """A bucket that allows `per_minute` requests at once and then one every 60 / per_minute seconds."""
        return Bucket(per_minute, float(per_minute), now)

    def filled(self, now: float) -> "Bucket":
        """The bucket at `now`."""
        tokens = min(float(self.per_minute), self.tokens + max(now - self.at, 0.0) * self.per_minute / 60.0)
        return replace(self, tokens=tokens, at=now)

    def taken(self, now: float) -> "Bucket":
        """The bucket after one request at `now`."""
        filled = self.filled(now)
        return replace(filled, tokens=filled.tokens - 1.0)

    def resized(self, per_minute: int, now: float) -> "Bucket":
        """The bucket under another limit: never fuller than before, so that a changing limit is no way to burst."""
        return Bucket(per_minute, min(self.filled(now).tokens, float(per_minute)), now)

    def next_token(self, now: float) -> float:
        """When one token is there; `now` when it is there already."""
        missing = 1.0 - self.filled(now).tokens
        return now if missing <= _ROUNDING else now + missing * 60.0 / self.per_minute
