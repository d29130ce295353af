"""What runs between open and close."""

from __future__ import annotations

import asyncio
import threading

import pytest

from evenflow._errors import LogError
from tests.servers import fresh_nats_name, nats

from .kit import engine_on, needs_nats, on_asyncio, opened, soon

pytestmark = needs_nats


@on_asyncio
async def test_closing_leaves_no_task_and_no_thread() -> None:
    """And another opening may follow."""
    tasks, threads = asyncio.all_tasks(), threading.active_count()
    engine = engine_on()
    for _ in range(2):
        await engine.open()
        assert threading.active_count() > threads
        await engine.close()
    assert threading.active_count() == threads
    assert not {task for task in asyncio.all_tasks() - tasks if not task.done()}


@on_asyncio
async def test_many_that_open_a_new_log_at_once_are_in_one() -> None:
    """The stream is made once, and so is its history."""
    name = fresh_nats_name()
    engines = [engine_on(log=name) for _ in range(5)]
    await asyncio.gather(*(engine.open() for engine in engines))
    assert len({tuple(engine.lineages) for engine in engines}) == 1
    await asyncio.gather(*(engine.close() for engine in engines))


@on_asyncio
async def test_an_opening_that_fails_leaves_nothing_behind() -> None:
    """Neither a task nor a thread."""
    tasks, threads = asyncio.all_tasks(), threading.active_count()
    with pytest.raises(LogError, match="cannot be opened"):
        await engine_on("nats://127.0.0.1:1").open()
    assert threading.active_count() == threads
    await soon(lambda: not {task for task in asyncio.all_tasks() - tasks if not task.done()})


@on_asyncio
async def test_a_stream_of_ones_own_is_used_if_it_can_keep_a_log() -> None:
    """With its own name and prefix; one that cannot is refused, with what to set."""
    name = fresh_nats_name()
    async with opened(log=name, stream=f"S-{name}", prefix=f"acme.{name}") as engine:
        found = await engine._opened().api.ask("STREAM.INFO")
        assert found["config"]["name"] == f"S-{name}"
        assert found["config"]["subjects"] == [f"acme.{name}.>", f"acme.{name}_quiet.>"]
    with pytest.raises(LogError, match="its subjects must have other"):
        await engine_on(nats().url, name, stream=f"S-{name}", prefix="other").open()
