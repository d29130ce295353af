"""What the tests of engines share: an opened engine, short events, and their texts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import anyio

from evenflow.log._engine import Engine
from evenflow.log._stored import Append, Change
from evenflow.testing.conformance._suite import case

if TYPE_CHECKING:
    from evenflow.log._capabilities import Capability

EngineMaker: TypeAlias = Callable[[], Engine]
"""Makes one more opening of one and the same log."""

PATIENCE = 30.0
"""How many seconds something may take that must come soon."""

on_every_engine = case()
"""Run this test on each engine."""
on_every_shared_engine = case(needs=("several_processes",))
"""Run this test on engines whose log may be opened more than once."""


def on_every_engine_that_has(*needs: Capability) -> Callable[..., Any]:
    """As ``on_every_engine``, on those whose log can do this."""
    return case(needs=needs)


def on_every_engine_that_lacks(*lacks: Capability) -> Callable[..., Any]:
    """As ``on_every_engine``, on those whose log cannot do this."""
    return case(lacks=lacks)


@asynccontextmanager
async def opened(maker: EngineMaker) -> AsyncGenerator[Engine]:
    """An engine that is open in this block."""
    engine = maker()
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


def event(text: str, *, subject: str = "orders", type: str = "Placed", id: str | None = None, **more: Any) -> Append:  # noqa: A002 -- as in the engine
    """An event with this text; with an id, its digest is the text too."""
    return Append(subject, type, 1, text.encode(), id=id, digest=text.encode() if id else b"", **more)


async def append(engine: Engine, *texts: str, **more: Any) -> list[int]:
    """Append events in one change; returns their numbers."""
    return list((await engine.commit(Change(appends=[event(text, **more) for text in texts]))).seqs)


async def texts(engine: Engine, after: int = 0, subject: str = "orders", **how: Any) -> list[str]:
    """The texts of all events of a subject."""
    return [row.data.decode() for row in (await engine.read(subject, after, 1_000, **how)).rows]


async def until_it_waits() -> None:
    """Let all other tasks run until they wait."""
    await anyio.wait_all_tasks_blocked()
