"""A log in a file, and one in a database that lives in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evenflow.log import SQLiteLog
from evenflow.log._sqlite import SQLiteEngine
from evenflow.testing.conformance import EngineConformance, LogConformance


class TestSQLiteLog(LogConformance):
    """From outside."""

    capabilities = SQLiteLog("shop.db").capabilities

    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], SQLiteLog]:
        return lambda: SQLiteLog(tmp_path / "test.db")


class TestSQLiteEngine(EngineConformance):
    """Below."""

    capabilities = SQLiteLog("shop.db").capabilities

    @pytest.fixture
    def make(self, tmp_path: Path) -> Callable[[], SQLiteEngine]:
        return lambda: SQLiteEngine(tmp_path / "log.db")


class TestSQLiteEngineInMemory(EngineConformance):
    """Each opening is a database of its own."""

    capabilities = SQLiteLog(":memory:").capabilities

    @pytest.fixture
    def make(self) -> Callable[[], SQLiteEngine]:
        return lambda: SQLiteEngine(":memory:")
