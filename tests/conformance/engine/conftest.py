"""The engines under test: a further one is a further case here, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from evenflow.log._engine import Engine
from evenflow.log._sqlite import SQLiteEngine
from tests.servers import postgres, postgres_programs

EngineMaker = Callable[[], Engine]
"""Makes another opening of one and the same log."""

SHARED = ["sqlite"]
"""Engines whose log may be opened more than once."""
if find_spec("evenflow.testing._memory_engine"):
    SHARED.append("memory")
if postgres_programs() is not None:
    SHARED.append("postgres")
if find_spec("redis"):
    SHARED.append("redis")
ON_ASYNCIO = {"postgres", "redis"}
"""Engines of servers, whose clients know no other loop."""


def _postgres_maker() -> EngineMaker:
    from evenflow.log._postgres import PostgresEngine

    server = postgres()
    assert server is not None
    return partial(
        PostgresEngine,
        server.dsn,
        schema=f"test_{uuid4().hex}",
        keep_ids=timedelta(days=7),
        patience=20.0,
        to_disk=True,
        options={},
    )


def maker(name: str, folder: Path) -> EngineMaker:
    """What makes engines of this name on one log of their own."""
    if name == "memory":
        from evenflow.testing import _memory_engine, _memory_store

        store: Any = _memory_store.MemoryStore()
        return partial(_memory_engine.MemoryEngine, store)
    if name == "postgres":
        return _postgres_maker()
    if name == "redis":
        from evenflow.log._redis import RedisEngine
        from tests.log.redis.server import fresh_name, shared

        return partial(RedisEngine, shared().url, fresh_name())
    return partial(SQLiteEngine, ":memory:" if name == "sqlite in memory" else folder / "log.db")


def keeps_keys(engine: Engine) -> bool:
    """Whether it can keep the newest event of each key."""
    return type(engine).__name__ != "RedisEngine"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An engine that runs on asyncio only has no tests on trio: there is nothing to skip."""
    items[:] = [item for item in items if not _is_on_trio_in_vain(item)]


def _is_on_trio_in_vain(item: pytest.Item) -> bool:
    parameters = getattr(item, "callspec", None)
    values = () if parameters is None else parameters.params.values()
    words = {value for value in values if isinstance(value, str)}  # other values may refuse to be compared
    return "trio" in words and not ON_ASYNCIO.isdisjoint(words)


@pytest.fixture(params=[*SHARED, "sqlite in memory"])
def engine_maker(request: pytest.FixtureRequest, tmp_path: Path) -> EngineMaker:
    return maker(request.param, tmp_path)


@pytest.fixture(params=SHARED)
def shared_maker(request: pytest.FixtureRequest, tmp_path: Path) -> EngineMaker:
    return maker(request.param, tmp_path)
