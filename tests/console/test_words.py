"""Numbers, ages and times as people read them."""

from datetime import UTC, datetime

import pytest

from dashboard_app.console import words
from dashboard_app.console.words import NB, THIN
from dashboard_app.model.errors import BackendFailed, Conflict


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "now"),
        (0.99, "now"),
        (1.0, f"1{NB}s ago"),
        (119.9, f"119{NB}s ago"),
        (120, f"2{NB}min ago"),
        (119.9 * 60, f"119{NB}min ago"),
        (120 * 60, f"2{NB}h ago"),
        (47.9 * 3600, f"47{NB}h ago"),
        (48 * 3600, f"2{NB}d ago"),
        (None, "\u2013"),
    ],
)
def test_an_age_changes_its_unit_at_120_s_120_min_and_48_h(seconds, text):
    assert words.age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0009, f"0.9{NB}ms"),
        (0.0184, f"18.4{NB}ms"),
        (0.24, f"240{NB}ms"),
        (1.25, f"1.25{NB}s"),
        (2.0, f"2{NB}s"),
        (38.0, f"38{NB}s"),
        (38.25, f"38.2{NB}s"),
        (210, f"3{NB}min 30{NB}s"),
        (180, f"3{NB}min"),
        (6 * 3600 + 12 * 60, f"6{NB}h 12{NB}min"),
        (2 * 86400 + 3 * 3600, f"2{NB}d 3{NB}h"),
        (None, "\u2013"),
    ],
)
def test_a_duration_keeps_three_digits(seconds, text):
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "places", "text"), [(83.33, 0, f"83{NB}%"), (83.33, 1, f"83.3{NB}%"), (0, 0, f"0{NB}%"), (None, 0, "\u2013")]
)
def test_a_percentage_has_a_space_before_its_sign_and_zero_is_a_measured_zero(value, places, text):
    assert words.percent(value, places) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (999, "999"), (1204, f"1{THIN}204"), (41210, f"41{THIN}210"), (None, "\u2013")])
def test_counts_are_grouped_by_a_narrow_space_from_a_thousand(value, text):
    assert words.count(value) == text


@pytest.mark.parametrize(("value", "text"), [(3, "3"), (999, "999"), (1200, f"1.2{NB}k"), (12_400, f"12.4{NB}k"), (3_100_000, f"3.1{NB}M")])
def test_a_chip_is_short(value, text):
    assert words.chip(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.02, "0.02"), (4.83, "4.8"), (99.6, "99.6"), (640.4, "640"), (1204.2, f"1{THIN}204"), (3.0, "3"), (None, "\u2013")],
)
def test_a_number_keeps_the_digits_that_matter(value, text):
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, f"0{NB}B"), (512, f"512{NB}B"), (4 * 1024**3, f"4.0{NB}GiB"), (3 * 1024**5, f"3072.0{NB}TiB"), (None, "\u2013")]
)
def test_bytes_are_shown_in_the_largest_unit_that_fits(value, text):
    assert words.size(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (91.0, "%", f"91{NB}%"),
        (99.6, "%", f"99.6{NB}%"),
        (0.2, "s", f"200{NB}ms"),
        (3.1, "ms", f"3.1{NB}ms"),
        (4096, "bytes", f"4.0{NB}KiB"),
        (1204, "tx/s", f"1{THIN}204{NB}tx/s"),
        (7, "", "7"),
        (None, "ms", "\u2013"),
    ],
)
def test_a_quantity_takes_the_format_of_its_unit(value, unit, text):
    assert words.quantity(value, unit) == text


def test_nouns_follow_their_number():
    assert [words.plural(1, "source"), words.plural(2, "source"), words.plural(2, "entry", "entries")] == [
        "1 source",
        "2 sources",
        "2 entries",
    ]


@pytest.mark.parametrize(("parts", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_a_list_reads_as_prose(parts, text):
    assert words.listed(parts) == text


def test_a_sentence_without_its_marks_is_plain_text_with_times_in_utc():
    at = datetime(2026, 11, 22, 14, 2, 11, tzinfo=UTC)
    marked = f"{words.bold('billing')} refuses ({words.code('503 x')}) since {words.clock(at)}"
    assert words.plain(marked) == "billing refuses (503 x) since 14:02:11"


def test_a_name_cannot_smuggle_marks_into_a_sentence():
    assert words.plain(words.bold("a\ue001\ue004123\ue005b")) == "a123b"
    assert words.bold("a\ue001b").count("\ue001") == 1


def test_a_failure_of_the_server_names_the_request_that_its_log_knows():
    assert words.told(BackendFailed("The server failed.", reference="01jd7m2q")) == f"The server failed. (ref{NB}01jd7m2q)"
    assert words.told(BackendFailed("Nothing listens.", cause="refused")) == "Nothing listens."
    assert words.told(Conflict("The name is taken.")) == "The name is taken."
