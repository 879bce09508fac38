"""What a cleanup did, or would do."""

import json
from dataclasses import dataclass

from dashboard_app.backend.guard.answers import pool_json
from dashboard_app.model.pool import CleanupAction, Level, PoolCounts, Victim

_AUDIT_CHARS = 4500
"""Room for victims in an audit row, which holds 8,000 characters."""
_HOLDER_CHARS = 300
_CLOSED_IDS = 100
_SKIPPED = 10


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

    def audit_json(self) -> dict[str, object]:
        """What an audit keeps: the counts, what was won, what it cost in time and in lost holds, and every victim.

        Holders that are alike share an entry, so that a full pool fits a row; what still does not fit is counted in `left_out`.
        """
        held = [victim for victim in self.victims if victim.action is not CleanupAction.CLOSE_IDLE]
        idle = [victim for victim in self.victims if victim.action is CleanupAction.CLOSE_IDLE]
        groups: dict[tuple[str, str], list[Victim]] = {}
        for victim in held:
            groups.setdefault((victim.action.value, victim.holder), []).append(victim)
        entries: list[dict[str, object]] = []
        left_out, room = 0, _AUDIT_CHARS
        for (action, holder), alike in groups.items():
            oldest = max(alike, key=lambda victim: victim.age_s)
            entry: dict[str, object] = {
                "action": action,
                "holder": holder[:_HOLDER_CHARS],
                "ids": [victim.id for victim in alike],
                "age_s": oldest.age_s,
                "reason": oldest.reason,
            }
            room -= len(json.dumps(entry)) + 2
            if room < 0:
                left_out += len(alike)
            else:
                entries.append(entry)
        return {
            "closed_idle": self.closed_idle,
            "reclaimed": self.reclaimed,
            "terminated_backends": self.terminated_backends,
            "before": pool_json(self.before),
            "after": pool_json(self.after),
            "freed": self.before.checked_out - self.after.checked_out,
            "held_s": round(sum(victim.age_s for victim in held), 1),
            "duration_ms": self.duration_ms,
            "victims": entries,
            "closed_ids": [victim.id for victim in idle][:_CLOSED_IDS],
            "skipped": [{"id": skipped.id, "reason": skipped.reason} for skipped in self.skipped[:_SKIPPED]],
            **({"left_out": left_out} if left_out else {}),
        }

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
