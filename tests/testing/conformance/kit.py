"""A log and an engine that are not ours, and which tests of the suite fail on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from inspect import signature
from types import ModuleType
from typing import Any

import pytest

from evenflow.log import Log
from evenflow.log.engine import Engine
from evenflow.testing import MemoryLog
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing._memory_store import MemoryStore
from evenflow.testing.conformance import EngineConformance, LogConformance
from evenflow.testing.conformance._suite import Suite, cases

CAPABILITIES = replace(MemoryLog.capabilities, several_processes=True)


class TheirLog(Log):
    """A log of another party, on a store that several of them share."""

    capabilities = CAPABILITIES

    def __init__(self, store: MemoryStore, engine: type[MemoryEngine] = MemoryEngine) -> None:
        super().__init__("theirs", max_event_bytes=2**20)
        self._made = lambda: engine(store)

    def _engine(self) -> Engine:
        return self._made()


class TheirLogs(LogConformance):
    """Not collected, because of its name."""

    capabilities = CAPABILITIES
    virtual_time = True


class TheirEngines(EngineConformance):
    """The same below."""

    capabilities = CAPABILITIES
    virtual_time = True


def failures(part: ModuleType, engine: type[MemoryEngine] = MemoryEngine) -> set[str]:
    """The tests of one part of the suite that fail on logs with this engine."""
    suite, of_logs = (TheirEngines(), False) if "._engine." in part.__name__ else (TheirLogs(), True)

    def make() -> Callable[[], Any]:
        store = MemoryStore()
        return (lambda: TheirLog(store, engine)) if of_logs else (lambda: engine(store))

    return failures_of(suite, part, make)


def failures_of(suite: Suite, part: ModuleType, make: Callable[[], Callable[[], Any]]) -> set[str]:
    """The tests of one part of a suite that fail; those that take more than ``make`` are left out."""
    found: set[str] = set()
    for name in cases(type(suite)):
        test = getattr(suite, name)
        if name in vars(part) and {*signature(test).parameters} == {"make", "backend"}:
            try:
                test(make=make(), backend="asyncio")
            except (Exception, pytest.fail.Exception):
                found.add(name)
    assert any(name in vars(part) for name in cases(type(suite)))
    return found
