"""The right end of a chart that grows: a missing sample is a gap, however the chart came by it."""

from dashboard_app.console.rows import series
from dashboard_app.console.rows.tail import Tail

MIN = 60.0


def _row(points, metric="connections_used", until_s=None, range_s=3600.0, refetch_s=180.0):
    return series.chart_row(metric, points, range_s=range_s, refetch_s=refetch_s, over="last 1 h", until_s=until_s)


def test_a_step_chart_shows_the_time_the_app_was_off_as_a_gap():
    row = _row([[0, 7.0], [180_000, 8.0], [1_620_000, 9.0]])
    assert (row.kind, row.gap_s) == ("step", 450.0)
    assert row.data == [[0.0, 180.0, 630.0, 1620.0], [7.0, 8.0, None, 9.0]]


def test_silence_at_either_edge_of_the_range_is_a_gap():
    row = _row([[1_800_000, 7.0], [1_980_000, 8.0]], until_s=3600.0)
    assert row.data == [[0.0, 1800.0, 1980.0, 3600.0], [None, 7.0, 8.0, None]]
    fresh = _row([[200_000, 7.0], [3_400_000, 8.0]], until_s=3600.0)
    assert (fresh.data[0][0], fresh.data[0][-1]) == (200.0, 3400.0)
    assert _row([], until_s=3600.0).data == [[], []]


def test_the_first_sample_after_the_app_was_off_is_not_joined_to_the_last_before():
    end = Tail.of(_row([[0, 7.0], [180_000, 8.0]]))
    points, after = end.grown(27 * MIN, 9.0)
    assert points == [[405.0, None], [27 * MIN, 9.0]]
    assert (after.sample_s, after.drawn_s) == (27 * MIN, 27 * MIN)


def test_a_sample_in_time_is_joined_and_one_that_is_drawn_already_is_not_drawn_again():
    end = Tail.of(_row([[0, 7.0], [180_000, 8.0]]))
    assert end.grown(360.0, 9.0)[0] == [[360.0, 9.0]]
    assert end.grown(180.0, 8.0) == ([], end)


def test_a_failed_reading_is_drawn_and_is_no_sample():
    end = Tail.of(_row([[0, 7.0]], metric="latency_ms", refetch_s=120.0))
    points, after = end.grown(120.0, None)
    assert (points, after.sample_s, after.drawn_s) == ([[120.0, None]], 0.0, 120.0)


def test_while_nothing_comes_the_gap_grows_in_steps_of_the_interval():
    end = Tail.of(_row([[0, 7.0]]))
    assert end.silent(450.0) == ([], end)
    points, later = end.silent(451.0)
    assert points == [[451.0, None]]
    assert later.silent(451.0 + 179.0) == ([], later)
    assert later.silent(451.0 + 180.0)[0] == [[631.0, None]]
    assert later.grown(700.0, 9.0)[0] == [[451.0, None], [700.0, 9.0]]


def test_a_chart_without_samples_has_no_end_to_grow_from():
    assert Tail.of(_row([])) is None
