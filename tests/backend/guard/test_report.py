"""What the audit keeps of a cleanup."""

import json

from dashboard_app.access.audit_words import masked_details
from dashboard_app.backend.guard import CleanupReport, Skipped
from dashboard_app.model.pool import CleanupAction, PoolCounts, Victim

BEFORE, AFTER = PoolCounts(20, 10, 30, 0, 10), PoolCounts(20, 10, 2, 0, 0)


def report(*victims: Victim, skipped: int = 0) -> CleanupReport:
    return CleanupReport(
        is_dry_run=False,
        closed_idle=sum(victim.action is CleanupAction.CLOSE_IDLE for victim in victims),
        reclaimed=sum(victim.action is CleanupAction.RECLAIM for victim in victims),
        terminated_backends=sum(victim.action is CleanupAction.TERMINATE for victim in victims),
        before=BEFORE,
        after=AFTER,
        duration_ms=12.4,
        victims=victims,
        skipped=tuple(Skipped(number, "left alone because it had started a query") for number in range(skipped)),
    )


def test_holders_that_are_alike_share_an_entry_and_nobody_is_lost() -> None:
    done = report(
        *(Victim(number, "export", 60.0 + number, CleanupAction.RECLAIM, f"held for {60 + number} s") for number in range(3)),
        Victim(7, "sync", 90.0, CleanupAction.TERMINATE, "idle in a transaction"),
        *(Victim(number, "", 5.0, CleanupAction.CLOSE_IDLE, "idle in the pool for 5 s") for number in (11, 12)),
    ).audit_json()
    assert done["victims"] == [
        {"action": "reclaim", "holder": "export", "ids": [0, 1, 2], "age_s": 62.0, "reason": "held for 62 s"},
        {"action": "terminate", "holder": "sync", "ids": [7], "age_s": 90.0, "reason": "idle in a transaction"},
    ]
    assert (done["freed"], done["held_s"], done["duration_ms"], done["closed_ids"]) == (28, 273.0, 12.4, [11, 12])
    assert "left_out" not in done


def test_a_row_of_the_audit_always_has_room() -> None:
    many = [Victim(number, f"request {number} " + "ü" * 400, 61.5, CleanupAction.RECLAIM, "held for 61 s") for number in range(500)]
    idle = [Victim(1000 + number, "", 61.5, CleanupAction.CLOSE_IDLE, "idle") for number in range(500)]
    done = report(*many, *idle, skipped=50).audit_json()
    entries = done["victims"]
    assert isinstance(entries, list)
    assert done["left_out"] == 500 - len(entries) > 0
    assert masked_details(done) == json.loads(json.dumps(done))
