import time

import pytest
from limits import parse

from dashboard_app.access.login_limit import LoginLimit
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import NotSignedIn, RateLimited
from dashboard_app.runtime.moving_window import MovingWindow, Ticks
from dashboard_app.runtime.ratelimit import AddressLimit

TWO = parse("2/minute")


def test_so_many_in_any_minute_and_what_is_refused_does_not_count(monkeypatch):
    clock, window = ManualClock(), MovingWindow()
    monkeypatch.setattr(Ticks, "time", staticmethod(clock.monotonic))
    assert window.hit(TWO, "login", "a")
    clock.tick(40)
    assert [window.hit(TWO, "login", "a") for _ in range(5)] == [True, False, False, False, False]
    assert (window.left(TWO, "login", "a"), window.wait_s(TWO, "login", "a")) == (0, 20)
    clock.tick(20.1)
    assert [window.hit(TWO, "login", "a") for _ in range(2)] == [True, False]
    assert (window.left(TWO, "login", "b"), window.left(TWO, "account", "a")) == (2, 2)


@pytest.mark.parametrize("jump_s", [86_400, -86_400])
def test_a_clock_that_is_set_neither_frees_nor_locks_out(monkeypatch, jump_s):
    calls, tries, real = AddressLimit("x", "1/minute"), LoginLimit("1/minute"), time.time
    calls.hit("192.0.2.1")
    with pytest.raises(NotSignedIn), tries.one_try("192.0.2.1"):
        raise NotSignedIn("Wrong.")
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    with pytest.raises(RateLimited) as call:
        calls.hit("192.0.2.1")
    with pytest.raises(RateLimited) as one_try, tries.one_try("192.0.2.1"):
        pass
    assert 1 <= call.value.retry_after_s <= 60
    assert 1 <= one_try.value.retry_after_s <= 60
