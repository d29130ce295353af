"""A log in memory: several logs on one store are what several processes on one file are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evenflow.testing import MemoryLog
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing._memory_store import MemoryStore
from evenflow.testing.conformance import EngineConformance, LogConformance


class TestMemoryLog(LogConformance):
    """From outside."""

    capabilities = MemoryLog.capabilities
    virtual_time = True
    shared = True

    @pytest.fixture
    def make(self) -> Callable[[], MemoryLog]:
        store = MemoryStore()

        def on_one_store() -> MemoryLog:
            log = MemoryLog()
            log._store = store
            return log

        return on_one_store


class TestMemoryEngine(EngineConformance):
    """Below. In real time: that is what some of these tests let pass."""

    capabilities = MemoryLog.capabilities
    shared = True

    @pytest.fixture
    def make(self) -> Callable[[], MemoryEngine]:
        store = MemoryStore()
        return lambda: MemoryEngine(store)
