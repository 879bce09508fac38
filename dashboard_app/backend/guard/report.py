"""What a cleanup did, or would do."""

from dataclasses import dataclass

from dashboard_app.backend.guard.answers import pool_json
from dashboard_app.model.pool import Level, PoolCounts, Victim


@dataclass(frozen=True, slots=True)
class Skipped:
    """A checkout that was a victim by its age and was left alone, or handled in another way, and why."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class CleanupReport:
    """Counts are disjoint: a checkout whose session was ended counts in `terminated_backends` only. `level_after`: dry runs only; `note`: what holds for all of it."""

    is_dry_run: bool
    closed_idle: int
    reclaimed: int
    terminated_backends: int
    before: PoolCounts
    after: PoolCounts
    duration_ms: float
    victims: tuple[Victim, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    left_alone: int = 0
    level_after: Level | None = None
    note: str = ""

    @property
    def has_effect(self) -> bool:
        """True when it touched (dry run: would touch) anything."""
        return bool(self.victims)

    def victims_json(self) -> list[dict[str, object]]:
        """One object per victim, checkouts first."""
        return [
            {"id": victim.id, "holder": victim.holder, "age_s": victim.age_s, "action": victim.action.value, "reason": victim.reason}
            for victim in self.victims
        ]

    def to_json(self) -> dict[str, object]:
        """The contract's answer: a dry run adds the victims and what would follow, a real one what was left alone."""
        answer: dict[str, object] = {
            "closed_idle": self.closed_idle,
            "reclaimed": self.reclaimed,
            "terminated_backends": self.terminated_backends,
            "before": pool_json(self.before),
            "after": pool_json(self.after),
            "duration_ms": self.duration_ms,
        }
        if self.note:
            answer["note"] = self.note
        if not self.is_dry_run:
            return answer | {"skipped": [{"id": skipped.id, "reason": skipped.reason} for skipped in self.skipped]}
        return answer | {
            "victims": self.victims_json(),
            "left_alone": self.left_alone,
            "usage_after_percent": self.after.usage_percent,
            "level_after": None if self.level_after is None else self.level_after.value,
        }
