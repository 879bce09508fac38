from hypothesis import given
from hypothesis import strategies as st

from dashboard_app.backend.sources.probes.rates import Counters, growth, rates

counters = st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e12))


def test_a_rate_is_the_growth_over_the_time_that_really_passed():
    assert rates(Counters(10.0, 1, {"commits": 100}), Counters(14.0, 1, {"commits": 300})) == {"commits": 50.0}


def test_the_first_reading_has_no_rates():
    assert rates(None, Counters(10.0, 1, {"commits": 100})) == {}


def test_a_reset_gives_no_rates_even_when_the_counter_has_grown_past_the_old_value():
    assert rates(Counters(10.0, "before", {"commits": 100}), Counters(14.0, "after", {"commits": 300})) == {}


def test_a_counter_that_fell_or_is_new_is_absent_alone():
    before, after = Counters(0.0, 1, {"a": 10, "b": 10}), Counters(1.0, 1, {"a": 5, "b": 11, "c": 3})
    assert rates(before, after) == {"b": 1.0}


def test_no_time_no_rate():
    assert rates(Counters(5.0, 1, {"a": 1}), Counters(5.0, 1, {"a": 2})) == {}


@given(before=counters, after=counters, elapsed=st.floats(0, 1e6), epochs=st.tuples(st.integers(0, 1), st.integers(0, 1)))
def test_no_rate_is_ever_negative(before, after, elapsed, epochs):
    first, second = Counters(100.0, epochs[0], before), Counters(100.0 + elapsed, epochs[1], after)
    assert all(rate >= 0 for rate in rates(first, second).values())
    assert set(growth(first, second)) <= set(before) & set(after)
