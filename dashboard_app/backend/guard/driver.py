"""What a driver's connection knows about itself, without asking the server: transaction state and backend pid.

Known drivers: asyncpg, psycopg 2 and 3, sqlite3. For any other the ledger falls back on what SQLAlchemy's events told it.
"""

from typing import Any

from dashboard_app.model.pool import HolderState

_BY_STATUS = {1: HolderState.QUERY, 2: HolderState.IDLE_IN_TRANSACTION, 3: HolderState.IDLE_IN_TRANSACTION}
"""libpq's PQtransactionStatus: 0 idle, 1 active, 2 in a transaction, 3 in a failed transaction, 4 unknown."""


def driver_state(driver: Any) -> HolderState | None:
    """What the connection is doing as its driver sees it, None when the driver cannot tell.

    asyncpg knows the state the server reported last, but not whether a statement is under way: that comes from events or marks.
    """
    asks = getattr(driver, "is_in_transaction", None)
    if asks is not None:
        return _transaction(not driver.is_closed() and asks())
    status = getattr(getattr(driver, "info", None), "transaction_status", None)
    if status is not None:
        return _BY_STATUS.get(int(status), HolderState.IDLE)
    in_transaction = getattr(driver, "in_transaction", None)
    return None if in_transaction is None else _transaction(bool(in_transaction))


def backend_pid(driver: Any) -> int | None:
    """The pid of the server process behind a live connection; None when it is closed or the driver does not know."""
    if hasattr(driver, "get_server_pid"):
        return None if driver.is_closed() else int(driver.get_server_pid())
    try:
        pid = getattr(getattr(driver, "info", None), "backend_pid", None)
    except Exception:  # noqa: BLE001 - psycopg raises for a closed connection, and another thread may close it at any moment
        return None
    return None if pid is None else int(pid)


def _transaction(is_open: bool) -> HolderState:
    """The state of a connection that runs nothing."""
    return HolderState.IDLE_IN_TRANSACTION if is_open else HolderState.IDLE
