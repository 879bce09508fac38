"""Settings that change while the app runs: all or none, in force at once, kept, audited, and open to one person at a time."""

from types import SimpleNamespace

import pytest

from dashboard_app.console.tuning import Tuning
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import Conflict, DatabaseUnavailable, Forbidden, InvalidInput, NotSignedIn
from dashboard_app.runtime.live_settings import LiveSettings
from dashboard_app.settings import LoadedSettings, Settings, is_live
from tests.console.fake_console import ANA, VIC, FakeBook


@pytest.fixture
def book():
    return FakeBook()


@pytest.fixture
def tuning(book):
    return Tuning(
        LiveSettings(LoadedSettings(Settings(health_batch_size=4), {"health_batch_size": "environment"})), book, book, ManualClock()
    )


async def test_a_change_is_in_force_at_once_kept_in_one_statement_and_has_one_audit_row(tuning, book):
    heard = []
    tuning.live.on_change(heard.append)
    after = await tuning.change(ANA, {"SPILLWAY_HEALTH_BATCH_SIZE": 6, "QUEUE_INTERVAL_MS": "50", "pace": "Adaptive"}, request_id="r1")
    assert (after.health_batch_size, after.queue_interval_ms, after.pace) == (6, 50, "adaptive")
    assert heard == [after]
    assert tuning.live.values is after
    assert (book.statements, len(book.records)) == (1, 1)
    who, action, target, details = book.records[0]
    assert (who, action, target) == ("Ana Ruiz", "settings.write", "settings")
    assert details["before"] == {"HEALTH_BATCH_SIZE": 4, "QUEUE_INTERVAL_MS": 100, "PACE": "batched"}
    assert details["after"] == {"HEALTH_BATCH_SIZE": 6, "QUEUE_INTERVAL_MS": 50, "PACE": "adaptive"}


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({}, "body", "empty"),
        ({"HEALTH_BATCH_SIZE": 6, "NO_SUCH": 1}, "NO_SUCH", "no such setting"),
        ({"HEALTH_BATCH_SIZE": 0}, "health_batch_size", "greater than or equal to 1"),
        ({"HEALTH_BATCH_SIZE": "many"}, "health_batch_size", "integer"),
        ({"HEALTH_BATCH_SIZE": True}, "health_batch_size", "truth"),
        ({"AUTO_CLEANUP": "perhaps"}, "auto_cleanup", "true or false"),
        ({"PACE": "sprint"}, "pace", "batched"),
        ({"BREAKER_RECOVERY_S": float("inf")}, "breaker_recovery_s", "finite"),
        ({"BREAKER_RECOVERY_S": [1]}, "breaker_recovery_s", "number"),
        ({"PORT": 9000}, "port", "needs a restart"),
        ({"SECRET_KEY": "x"}, "secret_key", "needs a restart"),
        ({"HEALTH_REFETCH_S": 30}, "health_stale_s", "at most HEALTH_REFETCH_S"),
        ({"pace": "adaptive", "PACE": "batched"}, "pace", "twice"),
    ],
)
async def test_one_bad_value_changes_nothing_and_is_named(tuning, book, changes, field, said):
    before = tuning.live.values
    with pytest.raises(InvalidInput) as refused:
        await tuning.change(ANA, changes)
    assert any(one["field"] == field and said in one["message"] for one in refused.value.errors), refused.value.errors
    assert tuning.live.values is before
    assert (book.statements, book.records) == (0, [])


async def test_null_goes_back_to_what_was_read_at_the_start(tuning, book):
    await tuning.change(ANA, {"HEALTH_BATCH_SIZE": 6})
    await tuning.change(ANA, {"HEALTH_BATCH_SIZE": None})
    assert tuning.live.values.health_batch_size == 4
    assert book.rows == {}
    assert book.records[-1][3] == {"before": {"HEALTH_BATCH_SIZE": 6}, "after": {"HEALTH_BATCH_SIZE": 4}}


async def test_the_value_that_holds_already_is_no_change_and_leaves_no_row(tuning, book):
    await tuning.change(ANA, {"HEALTH_BATCH_SIZE": 4, "PACE": None})
    await tuning.change(ANA, {"HEALTH_BATCH_SIZE": 6})
    await tuning.change(ANA, {"HEALTH_BATCH_SIZE": 6})
    assert (book.statements, len(book.records)) == (1, 1)


async def test_changes_made_upon_an_older_version_are_refused_with_who_changed(tuning):
    seen = tuning.live.version
    await tuning.change(ANA, {"PACE": "adaptive"})
    with pytest.raises(Conflict, match=r"Ana Ruiz changed these at 00:00 UTC\. Review again\."):
        await tuning.change(ANA, {"QUEUE_MAX": 5}, seen_version=seen)
    assert tuning.live.values.queue_max == 1000


async def test_only_an_admin_changes_settings(tuning):
    with pytest.raises(Forbidden):
        await tuning.change(VIC, {"PACE": "adaptive"})
    with pytest.raises(NotSignedIn):
        await tuning.change(None, {"PACE": "adaptive"})


async def test_what_cannot_be_kept_is_not_in_force(tuning, book):
    book.failure = DatabaseUnavailable("The database does not answer.", 1)
    with pytest.raises(DatabaseUnavailable):
        await tuning.change(ANA, {"PACE": "adaptive"})
    assert tuning.live.values.pace == "batched"
    book.failure = None
    await tuning.change(ANA, {"PACE": "adaptive"})
    assert tuning.live.values.pace == "adaptive"


async def test_a_restart_takes_over_what_was_changed_and_leaves_out_what_is_no_longer_allowed(tuning, book, caplog):
    at = tuning._clock.now()
    book.rows = {
        name: SimpleNamespace(name=name, value=value, changed_by="Ana Ruiz", changed_at=at)
        for name, value in {"pace": "adaptive", "queue_max": 0, "gone": 1}.items()
    }
    await tuning.open()
    assert (tuning.live.values.pace, tuning.live.values.queue_max) == ("adaptive", 1000)
    assert tuning.live.overrides["pace"].by == "Ana Ruiz"
    assert "queue_max" in caplog.text
    assert "gone" in caplog.text


def test_every_knob_of_pace_plan_queue_breaker_and_guard_can_change_while_running():
    live = {name for name, field in Settings.model_fields.items() if is_live(field)}
    assert {"pace", "health_batch_size", "metrics_stagger_ms", "queue_concurrency", "breaker_failure_threshold", "leak_threshold_s"} <= live
    assert live.isdisjoint({"port", "host", "database_url", "secret_key", "data_dir", "pool_size", "backend_token"})
