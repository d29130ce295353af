"""``task.cancel()`` of asyncio, at every turn of the loop: nothing is cut off half-way, and nobody stays behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import pytest

from evenflow._crew import Crew
from evenflow._loop import running_loop
from evenflow.log import Log, SQLiteLog
from evenflow.log._outlast import outlast
from evenflow.testing import MemoryLog
from tests.contract.kit import both

from .events import Ordered

TURNS = 40


async def cancelled_after(turns: int, work: Coroutine[Any, Any, object]) -> bool:
    """Have asyncio cancel a task after so many turns of the loop; returns whether that came before its end."""
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    [found] = await asyncio.gather(task, return_exceptions=True)
    if isinstance(found, Exception):
        raise found
    return isinstance(found, asyncio.CancelledError)


def logs(folder: Path) -> list[Log]:
    """One of each kind."""
    return [MemoryLog(), SQLiteLog(folder / "test.db")]


async def on_each(folder: Path, test: Callable[[Log], Awaitable[None]]) -> None:
    for log in logs(folder):
        with anyio.fail_after(60):
            await test(log)


@both
async def test_the_work_is_done_and_its_result_or_error_goes_to_the_caller() -> None:
    """Without a cancellation it is as if it was awaited here."""
    crew = Crew("test", running_loop())
    await crew.open()

    async def work() -> int:
        await anyio.lowlevel.checkpoint()
        return 7

    async def fail() -> int:
        raise KeyError("no")

    assert await outlast(crew, work, "work") == 7
    with pytest.raises(KeyError):
        await outlast(crew, fail, "work")
    await crew.close()


@both
async def test_a_cancelled_caller_waits_for_the_end() -> None:
    """Then, at its next checkpoint, the cancellation goes out."""
    crew = Crew("test", running_loop())
    await crew.open()
    done: list[int] = []

    async def work() -> None:
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        done.append(1)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await outlast(crew, work, "work")
        await anyio.lowlevel.checkpoint()
    assert (done, scope.cancelled_caught) == ([1], True)
    await crew.close()


def test_a_reader_of_a_group_that_is_cancelled_while_it_enters_or_leaves_is_no_member(tmp_path: Path) -> None:
    """Whatever turn of the loop it is cancelled at, even twice: its events go to the next reader."""

    async def of(log: Log) -> None:
        orders = log.subject("orders", Ordered)

        async def read() -> None:
            async with orders.deliveries("g", buffer=2) as deliveries:
                await deliveries.receive()

        async def twice() -> None:
            task = asyncio.ensure_future(read())
            try:
                await asyncio.shield(task)
            finally:
                task.cancel()
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])

        async with log:
            await orders.publish_many(Ordered(n=n) for n in range(3))
            for turns in range(1, TURNS):
                await cancelled_after(turns, read())
                await cancelled_after(turns, twice())
                [group] = await orders.groups() or [None]
                assert group is None or (group.members, group.in_hand) == (0, 0), (turns, group)
            async with orders.deliveries("g") as deliveries:
                assert sorted([(await deliveries.receive()).event.n for _ in range(3)]) == [0, 1, 2]

    asyncio.run(on_each(tmp_path, of))


def test_a_transaction_that_is_cancelled_has_acknowledged_or_has_not(tmp_path: Path) -> None:
    """``committed`` says which; what else its reader has in hand stays there, and can be settled."""

    async def of(log: Log) -> None:
        orders, done = log.subject("orders", Ordered), log.subject("done", Ordered)
        outcomes: set[bool] = set()
        async with log:
            for turns in range(TURNS):
                await orders.publish_many([Ordered(n=0), Ordered(n=1)])
                async with orders.deliveries("g") as deliveries:
                    first, second = await deliveries.receive(), await deliveries.receive()
                    begun = log.transaction()

                    async def commit(tx: Any = begun, delivery: Any = first, turns: int = turns) -> None:
                        async with tx:
                            tx.publish(done, Ordered(n=turns))
                            tx.ack(delivery)

                    await cancelled_after(turns, commit())
                    tx: Any = begun
                    outcomes.add(tx.committed)
                    stored = [record.event.n for record in await done.read(where=Ordered.n == turns).to_list()]
                    assert stored == [turns] * tx.committed
                    if not tx.committed:
                        await first.ack()
                    await second.ack()
                [group] = await orders.groups()
                assert (group.due, group.in_hand, group.retrying) == (0, 0, 0), (turns, group)
        assert outcomes == {True, False}

    asyncio.run(on_each(tmp_path, of))


def test_a_log_whose_closing_is_cancelled_is_closed(tmp_path: Path) -> None:
    """A handler that runs is cancelled at once, its event is given back, and the log opens again."""

    async def of(log: Log) -> None:
        orders = log.subject("orders", Ordered)

        async def handle(_: Ordered) -> None:
            handling.set()
            await anyio.sleep_forever()

        consumer = orders.consume("g", handle, Ordered)
        async with log.opened(consumers=False):
            await orders.publish(Ordered(n=1))
        for turns in range(1, TURNS, 3):
            handling = anyio.Event()
            await log.start()
            await handling.wait()
            assert await cancelled_after(turns, log.aclose())
            assert "not open" in repr(log)
            async with log.opened(consumers=False):
                [group] = await orders.groups()
                assert (group.members, group.in_hand, group.due) == (0, 0, 1), turns
        assert consumer.statistics().running is False

    asyncio.run(on_each(tmp_path, of))


def test_a_deletion_that_is_cut_off_leaves_nothing_to_the_next_group_of_that_name(tmp_path: Path) -> None:
    """Retries and dead letters of the old one are not those of the new one."""

    async def of(log: Log) -> None:
        orders = log.subject("orders", Ordered)
        async with log:
            await orders.publish_many(Ordered(n=n) for n in range(4))
            for turns in range(1, TURNS):
                async with orders.deliveries("g") as deliveries:
                    await (await deliveries.receive()).reject("no")
                    await (await deliveries.receive()).retry(after=0.0)
                await cancelled_after(turns, orders.delete_group("g"))
                if await orders.groups():
                    await orders.delete_group("g")
                async with orders.deliveries("g", since="now"):
                    [group] = await orders.groups()
                    assert (group.dead, group.retrying, group.due, group.in_hand) == (0, 0, 0, 0), turns
                await orders.delete_group("g")

    asyncio.run(on_each(tmp_path, of))
