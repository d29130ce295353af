"""Guarantee 3, where a publisher outruns readers that were woken and have not run yet: it lets them run, in order."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from evenflow import Subscription

from .kit import Order, Shipped, Subject, both, group, numbers, only_asyncio, publishing, settle, take_all, turn


@both
async def test_a_reader_that_makes_room_cannot_fill_it_before_the_waiting_publish() -> None:
    """The slot that a reader frees belongs to the waiting publish, even if the reader itself publishes next."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    received: list[int] = []
    refused: list[int] = []

    async def read() -> None:
        async for event in subscription:
            received.append(event.n)
            try:
                subject.publish_nowait(Order(n=100 + event.n))
            except anyio.WouldBlock:
                refused.append(event.n)
            if len(received) == 2:
                return

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        for n in range(2):
            await subject.publish(Order(n=n))
        await settle()
    assert received == [0, 1]
    assert refused == [0]
    assert numbers(take_all(subscription)) == [101]


@only_asyncio
async def test_a_subscription_that_others_fill_meanwhile_takes_no_event_too_many() -> None:
    """While the publish lets a reader run, another task fills a second subscription: it gets no event too many.

    Only on asyncio is it known which task runs in that turn of the loop.
    """
    subject = Subject(Order, Shipped)
    quick, slow = subject.subscribe(Order, buffer=2), subject.subscribe(buffer=5)
    fills = anyio.Event()
    seen: list[int] = []

    async def read() -> None:
        async for _ in quick:
            pass

    async def fill_slow() -> None:
        await fills.wait()
        for n in range(3):
            await subject.publish(Shipped(n=n))
        await settle()
        seen.append(slow.statistics().waiting)
        assert (await slow.receive()).n == 0

    async with group() as tasks:
        tasks.start_soon(read)
        tasks.start_soon(fill_slow)
        await settle()
        await subject.publish(Order(n=0))
        await subject.publish(Order(n=1))
        fills.set()
        await subject.publish(Order(n=2))
        assert seen == [5]
        assert slow.statistics().waiting == 5
        tasks.cancel_scope.cancel()


@both
async def test_a_publish_lets_no_reader_run_that_does_not_want_its_event() -> None:
    """A buffer full of other events, with a reader that is about to run, makes no publisher wait."""
    subject = Subject(Order, Shipped)
    full, other = subject.subscribe(Order, buffer=4), subject.subscribe(Shipped)
    received: list[int] = []

    async def read() -> None:
        async for event in full:
            received.append(event.n)

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        for n in range(4):
            await subject.publish(Order(n=n))
        assert full.statistics().waiting == 4
        await subject.publish(Shipped(n=0))
        assert (full.statistics().waiting, received) == (4, [])
        assert numbers(take_all(other)) == [0]
        await settle()
        assert received == [0, 1, 2, 3]
        tasks.cancel_scope.cancel()


@only_asyncio
async def test_slots_stay_reserved_while_a_publish_lets_readers_run_a_second_time() -> None:
    """One of two readers is cancelled while the publish lets them run: the slot of the other stays reserved."""
    subject = Subject(Order, Shipped)
    both_kinds, orders = subject.subscribe(buffer=2), subject.subscribe(Order, buffer=2)
    waiting = asyncio.create_task(both_kinds.receive())
    cancelled = asyncio.create_task(orders.receive())
    await turn(2)
    for n in range(2):
        await subject.publish(Order(n=n))
    publishes = subject.publish(Order(n=2))
    # One step by hand, so that it is known when the publish runs: it lets the readers run.
    publishes.send(None)
    cancelled.cancel()
    await turn(2)
    # One reader has run and one never will: the publish lets the loop turn again.
    publishes.send(None)
    with pytest.raises(anyio.WouldBlock):
        subject.publish_nowait(Shipped(n=9))
    publishes.close()
    await asyncio.wait([waiting, cancelled])
    assert subject.publish_nowait(Shipped(n=9)) == 1
    assert numbers(take_all(both_kinds)) == [1, 9]


@only_asyncio
async def test_a_reader_whose_buffer_is_filled_again_meanwhile_may_run_again_before_a_drop() -> None:
    """While a publish lets the reader run, others fill its buffer again: nothing is dropped before it has run."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=4, overflow="drop_oldest")
    received: list[int] = []

    async def read() -> None:
        async for batch in subscription.batches():
            received.extend(numbers(list(batch)))

    async def refill() -> None:
        for n in range(10, 14):
            await subject.publish(Order(n=n))

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        for n in range(4):
            await subject.publish(Order(n=n))
        tasks.start_soon(refill)
        await subject.publish(Order(n=4))
        await settle()
        assert subscription.statistics().dropped == 0
        assert sorted(received) == [0, 1, 2, 3, 4, 10, 11, 12, 13]
        tasks.cancel_scope.cancel()


@both
async def test_a_publish_cancelled_while_it_lets_readers_run_reserves_no_slot() -> None:
    """It reached nobody, and the slots that were reserved for it are free for the next publish."""
    subject = Subject(Order)
    subscription, other = subject.subscribe(Order, buffer=1), subject.subscribe(Order, buffer=1)
    cancel = anyio.Event()
    received: list[int] = []

    async def cancelled_by(scope: anyio.CancelScope) -> None:
        await cancel.wait()
        scope.cancel()

    async def read_one(mine: Subscription[Order]) -> None:
        received.append((await mine.receive()).n)

    async with group() as tasks:
        with anyio.CancelScope() as scope:
            tasks.start_soon(cancelled_by, scope)
            tasks.start_soon(read_one, subscription)
            tasks.start_soon(read_one, other)
            await settle()
            cancel.set()
            subject.publish_nowait(Order(n=0))
            await subject.publish(Order(n=1))
        await settle()
        assert received == [0, 0]
        # Trio may run the readers before the task that cancels.
        reached = 0 if scope.cancelled_caught else 1
        assert numbers(take_all(subscription)) == [1] * reached
        take_all(other)
        assert subscription.statistics().wanted == 1 + reached
        assert subject.publish_nowait(Order(n=2)) == 2
    assert numbers(take_all(subscription)) == [2]


@both
async def test_a_publish_that_must_wait_on_after_letting_readers_run_still_comes_first() -> None:
    """Another subscription has become full meanwhile: the publish waits for it, ahead of publishes that came later."""
    subject = Subject(Order, Shipped)
    read = subject.subscribe(Order, buffer=1)
    unread = subject.subscribe(Order, Shipped, buffer=3)
    interfere = anyio.Event()

    async def publisher() -> None:
        interfere.set()
        await subject.publish(Order(n=0))
        await subject.publish(Order(n=1))

    async def interferer() -> None:
        await interfere.wait()
        await subject.publish_many([Shipped(n=50), Shipped(n=51)])
        await subject.publish(Order(n=2))

    async def reader() -> None:
        async for _ in read:
            pass

    taken: list[int] = []
    async with group() as tasks:
        for task in (interferer, reader):
            tasks.start_soon(task)
        await settle()
        tasks.start_soon(publisher)
        while len(taken) < 5:
            await settle()
            taken.append(unread.receive_nowait().n)
    # Trio may run the interferer later, which changes only where its own events stand.
    assert [n for n in taken if n < 50] == [0, 1, 2]


@only_asyncio
@pytest.mark.parametrize("has_read", [True, False])
async def test_a_task_that_was_cancelled_publishes_nothing(has_read: bool) -> None:
    """`task.cancel()` before a publish: the publish raises the cancellation, and nobody got the event."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    task = asyncio.current_task()
    assert task is not None
    if has_read:  # The subject belongs to this loop from the first read on.
        with pytest.raises(anyio.WouldBlock):
            subscription.receive_nowait()
    for _ in range(3):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await subject.publish(Order(n=0))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await subject.publish_many([Order(n=0), Order(n=1)])
        task.uncancel()
        task.uncancel()
    assert subscription.statistics().wanted == 0
    assert await subject.publish(Order(n=1)) == 1
    assert numbers(take_all(subscription)) == [1]


@both
@pytest.mark.parametrize("buffer", [1, 2, 3, 64])
async def test_buffers_that_one_event_fills_take_no_event_more(buffer: int) -> None:
    """Several buffers become full by one event, and none of them takes another one."""
    subject = Subject(Order)
    subscriptions = [subject.subscribe(Order, buffer=buffer) for _ in range(3)]
    for n in range(buffer):
        await subject.publish(Order(n=n))
    for _ in range(3):
        with pytest.raises(anyio.WouldBlock):
            subject.publish_nowait(Order(n=99))
    for emptied in subscriptions:
        async with group() as tasks:
            waiting = await publishing(tasks, subject, Order(n=99))
            assert waiting.waits
            tasks.cancel_scope.cancel()
        assert emptied.statistics().waiting == buffer
        take_all(emptied)
    assert await subject.publish(Order(n=100)) == 3


@only_asyncio
async def test_a_publisher_that_outruns_five_hundred_readers_lets_them_all_run_in_one_turn() -> None:
    """All five hundred readers keep up, and the loop turns at most once for each event."""
    subject = Subject(Order)
    # With a subscription that has room, the full ones are only some of those that want the event.
    roomy = subject.subscribe(Order, buffer=100)
    received = [0] * 500
    turns = 0

    async def read(reader: int) -> None:
        async for _ in subject.subscribe(Order, buffer=4):
            received[reader] += 1

    async def count() -> None:
        nonlocal turns
        while True:
            await turn()
            turns += 1

    async with group() as tasks:
        for reader in range(500):
            tasks.start_soon(read, reader)
        await settle()
        tasks.start_soon(count)
        await turn(2)
        before = turns
        for n in range(40):
            await subject.publish(Order(n=n))
        assert turns - before <= 40
        subject.close()
        await turn(5)
        assert received == [40] * 500
        assert len(take_all(roomy)) == 40
        tasks.cancel_scope.cancel()
