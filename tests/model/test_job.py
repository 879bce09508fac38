"""What may be sent as an update of a job, and the word for what may not."""

import pytest

from dashboard_app.model.job import LARGEST_JOB_ID, LONGEST_MESSAGE_BYTES, REASONS, STATUSES, wrong_with


@pytest.mark.parametrize("job_id", [1, LARGEST_JOB_ID])
@pytest.mark.parametrize("status", [*STATUSES, "pending"])
@pytest.mark.parametrize("message", [None, "", "ü" * (LONGEST_MESSAGE_BYTES // 2)])
def test_a_good_update_has_nothing_wrong(job_id: int, status: str, message: str | None) -> None:
    assert wrong_with(job_id, status, message) == ""


@pytest.mark.parametrize(
    ("job_id", "status", "message", "word"),
    [
        (0, "pending", None, "invalid_job_id"),
        (LARGEST_JOB_ID + 1, "pending", None, "invalid_job_id"),
        (True, "pending", None, "invalid_job_id"),
        ("1", "pending", None, "invalid_job_id"),
        (1, "PENDING", None, "unknown_status"),
        (1, 1, None, "unknown_status"),
        (1, "error", 7, "invalid_error_message"),
        (1, "error", "a\x00b", "invalid_error_message"),
        (1, "error", "\ud800", "invalid_error_message"),
        (1, "error", "ü" * (LONGEST_MESSAGE_BYTES // 2) + "x", "error_message_too_long"),
    ],
)
def test_a_bad_update_is_named_by_a_word_that_has_its_sentence(job_id: object, status: object, message: object, word: str) -> None:
    assert wrong_with(job_id, status, message) == word
    assert REASONS[word]
