"""The rest before a connection is made again."""

import pytest

from dashboard_app.policy.reconnect import rest_s


@pytest.mark.parametrize(
    ("failures", "least", "most"), [(0, 0.25, 0.5), (1, 0.25, 0.5), (2, 0.5, 1.0), (4, 2.0, 4.0), (7, 15.0, 30.0), (10**6, 15.0, 30.0)]
)
def test_a_rest_doubles_with_each_failure_up_to_a_limit_and_half_of_it_is_chance(failures, least, most):
    assert (rest_s(failures, 0.0), rest_s(failures, 1.0)) == (least, most)
