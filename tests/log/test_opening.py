"""An opening: its parts are made once, and ended with it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from evenflow.log import Retain, SQLiteLog
from evenflow.testing import MemoryLog
from tests.contract.kit import both, only_asyncio, only_asyncio_real, settle

from .events import Ordered, Shipped, opened


@both
async def test_a_subject_has_one_tail_and_one_set_of_groups() -> None:
    """Asked for twice they are the same; a subject without classes can be looked at by its name."""
    async with opened() as (orders, opening):
        kind = orders._kind
        assert opening.tail(kind) is opening.tail(kind)
        assert opening.groups(kind) is opening.groups(kind) is opening.groups_by_name("orders")
        assert await opening.groups_by_name("unknown").statistics() == ()


@only_asyncio
async def test_a_cancelled_close_ends_everything_too() -> None:
    """Handlers are cancelled, tasks end, the engine closes, and the cancellation goes out."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    begun = anyio.Event()

    @orders.consumer("g")
    async def handle(_: Ordered) -> None:
        begun.set()
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        async with log:
            await orders.publish(Ordered(n=1))
            await begun.wait()
            scope.cancel()
    assert scope.cancelled_caught
    assert not log._openings.is_open
    await settle()
    async with log.opened(consumers=False):
        [group] = await orders.groups()
        assert (group.in_hand, group.members) == (0, 0)


@both
async def test_a_body_that_raises_cancels_handlers() -> None:
    """As a subject does: the body's exception goes out as it is, and what was cut off is given back."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    begun = anyio.Event()

    @orders.consumer("g")
    async def handle(_: Ordered) -> None:
        begun.set()
        await anyio.sleep_forever()

    with pytest.raises(KeyError):
        async with log:
            await orders.publish(Ordered(n=1))
            await begun.wait()
            raise KeyError
    async with log.opened(consumers=False), orders.deliveries("g", Ordered) as deliveries:
        assert (await deliveries.receive()).attempt == 1


@pytest.mark.parametrize("log", [MemoryLog(), "file"])
@only_asyncio_real
async def test_each_of_several_that_close_a_log_waits_for_its_end(log: Any, tmp_path: Path) -> None:
    """However each does it: nobody returns while a handler runs, or while the engine is open."""
    log = log if isinstance(log, MemoryLog) else SQLiteLog(tmp_path / "log.db")
    orders = log.subject("orders", Ordered)
    begun, blocked, happened = anyio.Event(), anyio.Event(), list[str]()

    @orders.consumer("g")
    async def handle(_: Ordered) -> None:
        begun.set()
        await blocked.wait()
        happened.append("handled")

    async def close() -> None:
        await log.aclose()
        assert not log._openings.is_open
        happened.append("closed")

    async with anyio.create_task_group() as tasks:
        async with log.opened():
            await orders.publish(Ordered(n=1))
            await begun.wait()
            tasks.start_soon(close)
            tasks.start_soon(close)
            await settle()
            asyncio.get_running_loop().call_later(0.01, blocked.set)
        happened.append("left")
        with pytest.raises(RuntimeError, match="is not open"):
            await orders.end()
    assert happened[0] == "handled"
    assert sorted(happened[1:]) == ["closed", "closed", "left"]


@pytest.mark.parametrize("how", ["grace", "cancelled"])
@only_asyncio
async def test_of_several_that_close_a_log_the_least_patient_counts(how: str) -> None:
    """A second close with less grace, or one that is cancelled, cuts off handlers that the first would wait for."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    begun = anyio.Event()

    @orders.consumer("g")
    async def handle(_: Ordered) -> None:
        begun.set()
        await anyio.sleep_forever()

    await log.start()
    await orders.publish(Ordered(n=1))
    await begun.wait()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log.aclose)
        await settle()
        began = anyio.current_time()
        with anyio.move_on_after(5 if how == "cancelled" else 1000) as scope:
            await log.aclose(grace=7 if how == "grace" else 1000)
        assert not log._openings.is_open
        assert scope.cancelled_caught == (how == "cancelled")
    assert anyio.current_time() - began == pytest.approx(5 if how == "cancelled" else 7)
    async with log.opened(consumers=False), orders.deliveries("g", Ordered) as deliveries:
        assert (await deliveries.receive()).attempt == 1


@only_asyncio
async def test_a_log_that_is_closed_while_its_consumers_join_is_closed() -> None:
    """Whoever opens it finds it closed, and no consumer runs."""
    log = MemoryLog()
    first, second = log.subject("first", Ordered), log.subject("second", Ordered)
    consumers = [subject.consume("g", print, Ordered) for subject in (first, second)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log.start)
        while not log._openings.is_open:
            await anyio.lowlevel.checkpoint()
        await log.aclose()
    assert not log._openings.is_open
    assert not any(consumer.statistics().running for consumer in consumers)


@both
async def test_while_it_is_closed_nothing_is_begun_that_nobody_would_end() -> None:
    """A handler may publish to its end; deliveries are refused, and a consumer and a retention are for the next time."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    begun, blocked = anyio.Event(), anyio.Event()
    handled, later = list[Ordered](), list[int]()

    @orders.consumer("g")
    async def handle(_: Ordered) -> None:
        begun.set()
        await blocked.wait()
        others = log.subject("others", Shipped, retain=Retain(events=1))
        others.consume("g", lambda shipped: later.append(shipped.n), Shipped)
        with pytest.raises(RuntimeError, match="the log is being closed"):
            await others.deliveries("h", Shipped).__aenter__()
        await others.publish(Shipped(n=1))
        handled.append(_)

    async def end() -> None:
        await settle()
        blocked.set()

    async with anyio.create_task_group() as tasks:
        async with log:
            await orders.publish(Ordered(n=1))
            await begun.wait()
            tasks.start_soon(end)
    assert handled == [Ordered(n=1)]
    assert not later
    async with log:
        await settle()
    assert later == [1]
