"""What was written in the last ten minutes."""

from dashboard_app.backend.jobs.figures import KEPT_S, STEP_S, Past


def test_steps_cover_ten_minutes_with_nothing_where_nothing_was_written():
    past = Past()
    for at, size in ((1000.2, 50), (1000.9, 70), (1003.0, 5), (1011.0, 1)):
        past.note(at, size, size / 1000)
    steps = past.steps(1016.0)
    assert len(steps) == KEPT_S // STEP_S - 1
    assert [(step.ago_s, step.written, step.batches, step.largest, round(step.longest_ms)) for step in steps[-4:]] == [
        (-21.0, 0, 0, 0, 0),
        (-16.0, 125, 3, 70, 70),
        (-11.0, 0, 0, 0, 0),
        (-6.0, 1, 1, 1, 1),
    ]


def test_what_is_older_is_forgotten_and_the_running_step_is_not_told_yet():
    past = Past()
    past.note(1.0, 1, 0.1)
    past.note(1000.0, 7, 0.1)
    assert sum(step.written for step in past.steps(1001.0)) == 0
    assert sum(step.written for step in past.steps(1005.0)) == 7
    assert sum(step.written for step in past.steps(2000.0)) == 0
