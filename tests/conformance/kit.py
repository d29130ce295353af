"""What the conformance tests share: each test runs on each kind of log, on asyncio and on trio, and has a few events.

Rule 1: a test gets a ``Maker``: each call makes a log of its own on the same storage, as another process would.
Rule 2: a log in memory runs in virtual time, a log on disk in real time.
Rule 3: what a log does by itself, or in another process, has no event to wait for: ``until`` asks again and again, and
        fails after a while. No test relies on how long something takes.
"""

from __future__ import annotations

import functools
import inspect
import tempfile
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import anyio
import pytest

from evenflow import Event
from evenflow.log import Capabilities, Capability, Log, SQLiteLog
from evenflow.testing import MemoryLog, run_virtual
from tests.contract.kit import BACKENDS, Backend, run
from tests.servers import postgres, postgres_programs


class Ordered(Event):
    """The event most tests publish."""

    n: int
    region: str = "eu"


class BigOrdered(Ordered):
    """A subclass of Ordered."""


class Shipped(Event):
    """An event that is not related to Ordered."""

    n: int


class Maker(Protocol):
    """Makes logs on one storage."""

    def __call__(self) -> Log:
        """One more log on this storage."""
        ...


KINDS: dict[str, bool] = {"memory": False, "sqlite": True, "redis": True}
"""The kinds of logs, and whether each needs a real clock."""
if postgres_programs() is not None:
    KINDS["postgres"] = True


def _maker(kind: str, folder: Path) -> Maker:
    if kind == "redis":
        from evenflow.log.redis import RedisLog
        from tests.log.redis.server import fresh_name, shared

        url, name = shared().url, fresh_name()
        return lambda: RedisLog(url, name=name)
    if kind == "memory":
        first = MemoryLog()
        return lambda: _same_store(first)
    if kind == "postgres":
        return _postgres_maker()
    return lambda: SQLiteLog(folder / "test.db")


def _postgres_maker() -> Maker:
    from evenflow.log.postgres import PostgresLog

    server = postgres()
    assert server is not None
    dsn, schema = server.dsn, f"test_{uuid4().hex}"
    return lambda: PostgresLog(dsn, name="test", schema=schema, publish_timeout=20)


def _same_store(first: MemoryLog) -> MemoryLog:
    log = MemoryLog()
    log._store = first._store
    return log


def capabilities_of(kind: str) -> Capabilities:
    """What a kind of log can do; nothing is opened."""
    if kind == "redis":
        from evenflow.log.redis import RedisLog

        return RedisLog("redis://localhost").capabilities
    if kind == "postgres":
        from evenflow.log.postgres import PostgresLog

        return PostgresLog("postgresql://localhost").capabilities
    return (MemoryLog() if kind == "memory" else SQLiteLog(":memory:")).capabilities


def _cases(needs: tuple[Capability, ...]) -> list[tuple[str, Backend]]:
    """Each kind of log that can do this, on each back end that it runs on."""
    return [
        (kind, backend)
        for kind in KINDS
        for backend in BACKENDS
        if all(map(capabilities_of(kind).have, (*needs, *_NEEDS_OF[backend])))
    ]


_NEEDS_OF: dict[Backend, tuple[Capability, ...]] = {"asyncio": (), "trio": ("trio",)}


def on_every_log(
    test: Callable[..., Coroutine[Any, Any, None]], *, real: bool = False, needs: tuple[Capability, ...] = ()
) -> Any:
    """Run an async test, whose first argument is a ``Maker``, on each kind of log and on the back ends it runs on."""

    @pytest.mark.parametrize("kind, backend", _cases(needs))
    @functools.wraps(test)
    def both(kind: str, backend: Backend, **arguments: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            make = _maker(kind, Path(folder))
            main: Callable[[], Awaitable[None]] = functools.partial(test, make, **arguments)
            if backend == "asyncio" and not (real or KINDS[kind]):
                run_virtual(main)
            else:
                run(main, backend, real=real or KINDS[kind])

    wanted = inspect.signature(test)
    others = [parameter for name, parameter in wanted.parameters.items() if name != "make"]
    extra = [
        inspect.Parameter("kind", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        inspect.Parameter("backend", inspect.Parameter.POSITIONAL_OR_KEYWORD),
    ]
    both.__signature__ = wanted.replace(parameters=[*extra, *others])  # type: ignore[attr-defined]  # pytest reads it
    return both


on_every_log_in_real_time = functools.partial(on_every_log, real=True)
"""As ``on_every_log``, for tests with threads."""


def on_every_log_that_has(*needs: Capability) -> Any:
    """As ``on_every_log``, on the kinds that can do this."""
    return functools.partial(on_every_log, needs=needs)


async def until(condition: Callable[[], object | Awaitable[object]]) -> None:
    """Wait until something holds, which must be soon; the condition may be async."""
    with anyio.fail_after(20):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await anyio.sleep(0.01)


async def take(subscription: Any, count: int) -> list[Any]:
    """The next events of a subscription; each must come within a while."""
    found: list[Any] = []
    with anyio.fail_after(20):
        for _ in range(count):
            found.append(await subscription.receive())
    return found


def numbers(events: Any) -> list[int]:
    """The numbers of these events."""
    return [event.n for event in events]
