import pytest

from dashboard_app.policy.connections import Demand, Instance, demand_reason


def instances(*pools: int, control: int = 2) -> list[Instance]:
    return [Instance(str(number), pool, control) for number, pool in enumerate(pools)]


@pytest.mark.parametrize(
    ("demand", "reason"),
    [
        (Demand(instances(30, 30, 30), 1, 97), None),
        (
            Demand(instances(30, 30, 30), 2, 97),
            "3 instances × 30 + 6 of their control pools + 2 of other applications may ask for 98 of 97 connections of the server",
        ),
        (Demand(instances(100, control=0), 0, 97), "1 instance × 100 may ask for 100 of 97 connections of the server"),
        (
            Demand(instances(30, 50, 30), 0, 97),
            "1 instance × 50 + 2 instances × 30 + 6 of their control pools may ask for 116 of 97 connections of the server",
        ),
        (Demand([], 5, 97), None),
    ],
)
def test_a_reason_is_given_when_all_pools_together_may_ask_for_too_much(demand: Demand, reason: str | None) -> None:
    assert demand_reason(demand) == reason
    assert demand.is_too_much is (reason is not None)
