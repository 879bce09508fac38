"""A source's last day as one band."""

from datetime import UTC, datetime

import pytest

from dashboard_app.console import words
from dashboard_app.console.rows import timeline

END = datetime(1970, 1, 2, 12, tzinfo=UTC)


def _plain(text: str) -> str:
    return words.plain(text).replace(words.NB, " ")


@pytest.mark.parametrize("letters", [None, "", "-" * 288])
def test_without_samples_there_is_no_band(letters):
    assert timeline.band(letters, END) == timeline.Band()


def test_each_state_is_one_path_whose_height_says_it_as_well_as_its_tone():
    shown = timeline.band("oowb", END)
    assert [(path.tone, path.d) for path in shown.paths] == [
        ("ok", "M0 24v-10H144v10z"), ("warn", "M144 24v-16H216v16z"), ("bad", "M216 24v-24H288v24z"),
    ]  # fmt: skip
    assert len({path.d.split("v-")[1].split("H")[0] for path in shown.paths}) == 3


def test_changes_are_marked_with_letter_place_and_time():
    shown = timeline.band("oowb", END)
    assert [(one.letter, one.percent, _plain(one.at), one.word, one.tone) for one in shown.changes] == [
        ("A", 50.0, "00:00:00", "degraded", "warn"), ("B", 75.0, "06:00:00", "down", "bad"),
    ]  # fmt: skip
    assert [_plain(tick) for tick in shown.ticks] == ["12:00:00", "18:00:00", "00:00:00", "06:00:00", "12:00:00"]


def test_a_time_without_samples_is_no_change_of_state():
    assert timeline.band("oo--oo", END).changes == []
    assert [one.word for one in timeline.band("oo--bb", END).changes] == ["down"]


def test_only_the_last_changes_are_listed_and_the_rest_is_counted():
    shown = timeline.band("ob" * 10, END)
    assert [one.letter for one in shown.changes] == list("ABCDEF")
    assert (shown.changes[-1].percent, shown.note) == (95.0, "13 earlier changes not listed")


def test_the_band_is_spoken_in_one_sentence():
    assert (
        _plain(timeline.band("oowb", END).label) == "Last 24 hours: down for 6 h, degraded for 6 h and healthy for 12 h; 2 changes of state"
    )
    assert _plain(timeline.band("-ou-", END).label) == (
        "Last 24 hours: unknown for 6 h, healthy for 6 h and not looked at for 12 h; 1 change of state"
    )
    assert timeline.band("oooo", END).label.endswith("no change of state")
