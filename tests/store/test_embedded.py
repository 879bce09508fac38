"""The embedded PostgreSQL as its users meet it: started once, shared, found again, never left behind."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from dashboard_app.model.errors import DatabaseUnavailable, StartRefused
from dashboard_app.store.embedded import EmbeddedServer
from tests.conftest import PostgresForTests


def test_postgres_answers_on_a_fresh_database(postgres: PostgresForTests) -> None:
    assert postgres.execute("SELECT 1 AS one", database="spillway_test")[0]["one"] == 1
