"""The one door from pages to services."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard_app.console import context
from dashboard_app.console.console import Console
from dashboard_app.model.breaker import BreakerState
from dashboard_app.model.clock import ManualClock
from dashboard_app.model.errors import BackendFailed, Forbidden
from dashboard_app.model.user import Principal, PrincipalKind, Role
from dashboard_app.settings import Settings

OPERATOR = Principal(PrincipalKind.USER, "ola", Role.OPERATOR)
VIEWER = Principal(PrincipalKind.USER, "vic", Role.VIEWER)


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return Console(Settings(data_dir=tmp_path, backend_url="http://127.0.0.1:9"), ManualClock(), origins={"port": ".env"})


@pytest.mark.parametrize("door", [context.console, context.identity, context.audit, context.loaded_settings])
def test_nothing_is_there_before_it_is_bound(door: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "_bound", context._Bound())
    with pytest.raises(RuntimeError, match="bind"):
        door()


def test_what_is_bound_is_what_pages_get(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "_bound", context._Bound())
    identity: Any = SimpleNamespace()
    audit: Any = SimpleNamespace()
    context.bind(console, identity, audit)
    assert (context.console(), context.identity(), context.audit()) == (console, identity, audit)
    assert context.loaded_settings().origins == {"port": ".env"}


async def test_try_now_needs_an_operator_and_ends_the_wait(console: Console) -> None:
    api = console.breakers["api"]
    for _ in range(5):
        api.failed(api.ask(), BackendFailed(status=503))
    with pytest.raises(Forbidden):
        await console.try_now(VIEWER)
    await console.try_now(OPERATOR)
    assert api.ask().is_trial
    assert api.state is BreakerState.HALF_OPEN
    assert console.reasons() == []
