"""Streams go before pages, and nothing goes while there is room or no limit."""

import pytest

from dashboard_app.policy.shedding import Shed, shed


@pytest.mark.parametrize(
    ("used", "limit", "step"),
    [
        (10**12, 0, Shed.NOTHING),
        (84, 100, Shed.NOTHING),
        (85, 100, Shed.STREAMS),
        (91, 100, Shed.STREAMS),
        (92, 100, Shed.SOCKETS),
        (200, 100, Shed.SOCKETS),
    ],
)
def test_new_streams_go_first_then_new_pages(used: int, limit: int, step: Shed) -> None:
    assert shed(used, limit) is step
