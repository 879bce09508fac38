import sys
import threading
from types import SimpleNamespace

import psycopg
import pytest

from dashboard_app.backend.guard.call_site import FRAMES, UNKNOWN, call_site, stack, trace
from dashboard_app.backend.guard.driver import backend_pid, driver_state
from dashboard_app.backend.guard.sites import OTHER, Sites
from dashboard_app.model.pool import HolderState


def asyncpg_like(*, is_closed: bool = False, is_in_transaction: bool = False) -> SimpleNamespace:
    return SimpleNamespace(is_closed=lambda: is_closed, is_in_transaction=lambda: is_in_transaction, get_server_pid=lambda: 77)


def psycopg_like(status: int) -> SimpleNamespace:
    return SimpleNamespace(info=SimpleNamespace(transaction_status=status, backend_pid=78))


@pytest.mark.parametrize(
    ("driver", "state"),
    [
        (asyncpg_like(is_in_transaction=True), HolderState.IDLE_IN_TRANSACTION),
        (asyncpg_like(), HolderState.IDLE),
        (asyncpg_like(is_closed=True, is_in_transaction=True), HolderState.IDLE),
        (psycopg_like(0), HolderState.IDLE),
        (psycopg_like(1), HolderState.QUERY),
        (psycopg_like(2), HolderState.IDLE_IN_TRANSACTION),
        (psycopg_like(3), HolderState.IDLE_IN_TRANSACTION),
        (psycopg_like(4), HolderState.IDLE),
        (SimpleNamespace(in_transaction=True), HolderState.IDLE_IN_TRANSACTION),
        (SimpleNamespace(in_transaction=False), HolderState.IDLE),
        (SimpleNamespace(), None),
        (None, None),
    ],
)
def test_each_driver_tells_its_state_in_its_own_way(driver: object, state: HolderState | None) -> None:
    assert driver_state(driver) is state


@pytest.mark.parametrize(
    ("driver", "pid"), [(asyncpg_like(), 77), (asyncpg_like(is_closed=True), None), (psycopg_like(0), 78), (None, None)]
)
def test_a_live_connection_knows_its_server_process(driver: object, pid: int | None) -> None:
    assert backend_pid(driver) == pid


def test_the_call_site_is_the_applications_innermost_frame() -> None:
    found = trace()
    assert call_site(found) == f"{__name__}.test_the_call_site_is_the_applications_innermost_frame:{sys._getframe().f_lineno - 1}"
    assert call_site(found) == stack(found)[0]


def test_a_stack_is_the_applications_frames_alone_and_bounded() -> None:
    def down(calls: int) -> tuple[str, ...]:
        return down(calls - 1) if calls else stack(trace())

    names = [frame.rpartition(":")[0].rpartition(".")[2] for frame in down(3)]
    assert names[:5] == ["down"] * 4 + ["test_a_stack_is_the_applications_frames_alone_and_bounded"]
    assert not any("pytest" in frame for frame in down(3))
    assert len(down(100)) == FRAMES


def test_code_of_libraries_alone_has_no_call_site() -> None:
    namespace: dict[str, str] = {}
    thread = threading.Thread(
        target=exec, args=(compile("found = call_site()", "<made>", "exec"), {"call_site": lambda: call_site(trace(2))}, namespace)
    )
    thread.start()
    thread.join()
    assert namespace["found"] == UNKNOWN


def test_call_sites_are_counted_with_their_seconds_and_bounded_in_number() -> None:
    sites = Sites(str)
    for number in range(600):
        sites.add(f"site {number}", 0.001)
    for held in range(1, 101):
        sites.add("site 7", held / 100)
    rows = sites.rows()
    assert rows[0] == {"call_site": "site 7", "checkouts": 101, "held_s_total": 50.501, "held_s_p95": 0.95}
    assert [row["checkouts"] for row in rows if row["call_site"] == OTHER] == [100]
    assert len(rows) == 501


def test_a_connection_that_another_thread_has_closed_has_no_pid(postgres) -> None:
    to = postgres.address()
    connection = psycopg.connect(host=to.host, port=to.port, user=to.user, password=to.password.reveal(), dbname=to.database)
    assert backend_pid(connection) == connection.info.backend_pid
    connection.close()
    assert (backend_pid(connection), driver_state(connection)) == (None, HolderState.IDLE)
