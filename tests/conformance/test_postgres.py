"""A log on PostgreSQL, on a real server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from evenflow.log._postgres import PostgresEngine
from evenflow.log.postgres import PostgresLog
from evenflow.testing.conformance import EngineConformance, LogConformance
from tests.servers import Postgres, postgres


def server() -> Postgres:
    """The server of this test process; the test is skipped where there is none."""
    found = postgres()
    if found is None:
        pytest.skip("there is no PostgreSQL server: install Debian's package postgresql")
    return found


class TestPostgresLog(LogConformance):
    """From outside."""

    capabilities = PostgresLog("postgresql://localhost").capabilities

    @pytest.fixture
    def make(self) -> Callable[[], PostgresLog]:
        dsn, schema = server().dsn, f"test_{uuid4().hex}"
        return lambda: PostgresLog(dsn, name="test", schema=schema, publish_timeout=20)


class TestPostgresEngine(EngineConformance):
    """Below."""

    capabilities = PostgresLog("postgresql://localhost").capabilities

    @pytest.fixture
    def make(self) -> Callable[[], PostgresEngine]:
        dsn, schema = server().dsn, f"test_{uuid4().hex}"
        return lambda: PostgresEngine(
            dsn, schema=schema, keep_ids=timedelta(days=7), patience=20.0, to_disk=True, options={}
        )
