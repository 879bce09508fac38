from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.policy.replay import index_after, unbroken


@dataclass
class Told:
    id: int
    follows: int


def test_a_reader_goes_on_after_what_it_has_read():
    assert [index_after([5, 8, 9], 3, last) for last in (3, 5, 8, 9)] == [0, 1, 2, 3]


def test_what_is_gone_or_was_never_given_out_owes_a_reset():
    assert [index_after([5, 8, 9], 3, last) for last in (2, 4, 6, 10)] == [None] * 4
    assert index_after([], 0, 0) == 0
    assert index_after([], 7, 6) is None


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(0, 12), st.integers(0, 130))
def test_it_is_owed_exactly_what_is_newer(steps, kept, last):
    ids = [sum(steps[: place + 1]) for place in range(len(steps))]
    shown = ids[max(len(ids) - kept, 0) :]
    follows = ids[-len(shown) - 1] if len(shown) < len(ids) else 0
    found = index_after(shown, follows, last)
    if last in {follows, *shown}:
        assert found is not None
        assert shown[found:] == [number for number in ids if number > last]
    else:
        assert found is None


@given(st.lists(st.booleans(), max_size=12))
def test_the_history_is_whole_from_the_last_hole_on(whole):
    messages = [Told(place + 1, place if is_whole else -1) for place, is_whole in enumerate(whole)]
    expected = len(whole) - max((place for place, is_whole in enumerate(whole) if not is_whole), default=0)
    assert unbroken(messages) == expected
