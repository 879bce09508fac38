"""Pushes to open pages keep to their share of the event loop."""

import pytest

from dashboard_app.policy.push_pace import REST_AT_MOST_S, SHARE, rest_s


@pytest.mark.parametrize("spent_s", [0.001, 0.008, 0.1, 0.5])
def test_after_work_pushes_rest_so_long_that_they_keep_to_their_share(spent_s: float) -> None:
    assert spent_s / (spent_s + rest_s(spent_s)) == pytest.approx(SHARE)


def test_no_work_needs_no_rest_and_what_is_urgent_does_not_wait() -> None:
    assert rest_s(0) == rest_s(-1) == 0  # a clock that stood still, or was set back
    assert rest_s(0.1, hurries=True) == 0


def test_a_pause_of_the_process_is_not_paid_for_by_every_page() -> None:
    assert rest_s(60) == REST_AT_MOST_S
