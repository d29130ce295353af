"""The mark of an opening, and how another process's change is noticed."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from evenflow._errors import LogError
from evenflow.log._engine import Change, Engine, Put
from evenflow.log._nats._marks import Marks
from tests.conformance.kit import append
from tests.servers import fresh_nats_name

from .kit import needs_nats, on_asyncio, opened

pytestmark = needs_nats


@on_asyncio
async def test_whoever_waits_is_woken_once_for_each_change() -> None:
    """Closing wakes everybody with an error."""
    marks = Marks()
    waiting = asyncio.ensure_future(marks.wait(0))
    await asyncio.sleep(0)
    marks.changed()
    assert await waiting == 1
    waiting = asyncio.ensure_future(marks.wait(1))
    await asyncio.sleep(0)
    marks.close("closed")
    with pytest.raises(LogError, match="closed"):
        await waiting


@on_asyncio
async def test_a_busy_log_costs_an_idle_reader_few_bytes() -> None:
    """It is told that something was stored, not what, and not each time."""
    name = fresh_nats_name()
    async with opened(log=name) as writer, opened(log=name) as idle:
        await _until_quiet(idle)
        waiting = asyncio.ensure_future(_wait_for_ever(idle))
        await asyncio.sleep(0.1)
        client = idle._opened().line.client
        before, stored = client.stats["in_bytes"], 0
        for _ in range(20):
            await append(writer, *["x" * 5_000] * 50)
            stored += 250_000
        assert client.stats["in_bytes"] - before < stored / 50
        waiting.cancel()


async def _until_quiet(engine: Engine) -> None:
    """Wait until the engine hears, and has looked at what was stored before."""
    while True:
        with anyio.move_on_after(0.5) as scope:
            await engine.wait(engine.mark())
        if scope.cancelled_caught:
            return


async def _wait_for_ever(engine: Engine) -> None:
    while True:
        await engine.wait(engine.mark())


@on_asyncio
async def test_pages_wake_nobody_in_another_process() -> None:
    """They change with each settlement; any other record does wake."""
    name = fresh_nats_name()
    async with opened(log=name) as one, opened(log=name) as other:
        await _until_quiet(one)
        mark = one.mark()
        await other.commit(Change(puts={"page/a/b/c": Put(b"")}))
        with anyio.move_on_after(0.2) as quiet:
            await one.wait(mark)
        assert quiet.cancelled_caught
        await other.commit(Change(puts={"group/a/b": Put(b"")}))
        with anyio.fail_after(30):
            assert await one.wait(mark) > mark
