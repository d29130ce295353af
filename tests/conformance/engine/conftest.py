"""The engines under test: a further one is a further case here, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from evenflow.log._engine import Engine
from evenflow.log._sqlite import SQLiteEngine

EngineMaker = Callable[[], Engine]
"""Makes another opening of one and the same log."""

SHARED = ["sqlite"]
"""Engines whose log may be opened more than once."""
if find_spec("evenflow.testing._memory_engine"):
    SHARED.append("memory")


def maker(name: str, folder: Path) -> EngineMaker:
    """What makes engines of this name on one log of their own."""
    if name == "memory":
        from evenflow.testing import _memory_engine, _memory_store

        store: Any = _memory_store.MemoryStore()
        return partial(_memory_engine.MemoryEngine, store)
    return partial(SQLiteEngine, ":memory:" if name == "sqlite in memory" else folder / "log.db")


@pytest.fixture(params=[*SHARED, "sqlite in memory"])
def engine_maker(request: pytest.FixtureRequest, tmp_path: Path) -> EngineMaker:
    return maker(request.param, tmp_path)


@pytest.fixture(params=SHARED)
def shared_maker(request: pytest.FixtureRequest, tmp_path: Path) -> EngineMaker:
    return maker(request.param, tmp_path)
