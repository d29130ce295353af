"""Guarantee 4: cancelling loses nothing. The event is returned or still there; the same object can be read again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from .kit import Order, Subject, balanced, both, fill, group, numbers, only_asyncio, settle, take_all, turn

WAYS = ("receive", "anext", "batches")


def once(subscription: Any, way: str) -> Any:
    """Read a subscription once, in one of three ways; return the numbers."""

    async def receive() -> list[int]:
        return [(await subscription.receive()).n]

    async def step() -> list[int]:
        return [(await anext(aiter(subscription))).n]

    async def batch() -> list[int]:
        return numbers(list(await anext(aiter(subscription.batches()))))

    return {"receive": receive, "anext": step, "batches": batch}[way]


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@only_asyncio
async def test_task_cancel_right_after_a_delivery_loses_nothing(way: str) -> None:
    """10,000 times `task.cancel()` right after the publish that woke the reader: each event comes exactly once."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=8)
    read = once(subscription, way)
    came: list[int] = []
    for n in range(10_000):
        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        subject.publish_nowait(Order(n=n))
        task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(result, asyncio.CancelledError):
            came += numbers(take_all(subscription))
        else:
            came += result
            assert take_all(subscription) == []
    assert came == list(range(10_000))
    balanced(subscription)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ticks", [0, 1, 2, 3])
@only_asyncio
async def test_task_cancel_at_any_tick_around_a_delivery_loses_nothing(way: str, ticks: int) -> None:
    """The reader is cancelled before the publish, in its tick, or ticks later: the event is returned or still there."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=8)
    read = once(subscription, way)
    came: list[int] = []
    for n in range(300):
        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        if n % 2:
            task.cancel()
            await turn(ticks)
            subject.publish_nowait(Order(n=n))
        else:
            subject.publish_nowait(Order(n=n))
            await turn(ticks)
            task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        came += [] if isinstance(result, asyncio.CancelledError) else result
        came += numbers(take_all(subscription))
    assert came == list(range(300))


@pytest.mark.parametrize("way", WAYS)
@both
async def test_a_scope_cancelled_right_after_a_delivery_loses_nothing(way: str) -> None:
    """1,000 times a scope is cancelled right after the publish that woke the reader: each event comes exactly once."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=8)
    read = once(subscription, way)
    came: list[int] = []

    async def reader(scope: anyio.CancelScope, ended: anyio.Event) -> None:
        with scope:
            came.extend(await read())
        ended.set()

    async with group() as tasks:
        for n in range(1_000):
            scope = anyio.CancelScope()
            ended = anyio.Event()

            tasks.start_soon(reader, scope, ended)
            await turn(2)
            subject.publish_nowait(Order(n=n))
            scope.cancel()
            await ended.wait()
            came += numbers(take_all(subscription))
    assert came == list(range(1_000))


@pytest.mark.parametrize("way", WAYS)
@both
async def test_a_read_that_times_out_again_and_again_loses_nothing(way: str) -> None:
    """Each read is bounded by `move_on_after`, at the same rate as the publisher: all events come, in order."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    read = once(subscription, way)
    came: list[int] = []

    async def publish() -> None:
        for n in range(200):
            await anyio.sleep(0.01)
            await subject.publish(Order(n=n))

    async with group() as tasks:
        tasks.start_soon(publish)
        while len(came) < 200:
            with anyio.move_on_after(0.01):
                came += await read()
    assert came == list(range(200))


@pytest.mark.parametrize("way", WAYS)
@both
async def test_a_read_in_a_cancelled_scope_leaves_the_event_there(way: str) -> None:
    """A read in a scope that is already cancelled returns the waiting event or leaves it in the buffer."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 3)
    came: list[int] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        came += await once(subscription, way)()
    came += numbers(take_all(subscription))
    assert came == [0, 1, 2]


@both
async def test_one_iterator_can_be_used_again_after_a_cancel() -> None:
    """Cancelling an iterator does not end it, as it would a generator: the same iterator goes on where it was."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    iterator = aiter(subscription)
    for n in range(5):
        with anyio.move_on_after(1):
            await anext(iterator)
            pytest.fail("there was nothing to receive")
        await subject.publish(Order(n=n))
        assert (await anext(iterator)).n == n


@both
async def test_one_iterator_of_batches_can_be_used_again_after_a_cancel() -> None:
    """The iterator of `batches` goes on after a cancel as well."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    iterator = aiter(subscription.batches())
    for n in range(5):
        with anyio.move_on_after(1):
            await anext(iterator)
            pytest.fail("there was nothing to receive")
        await subject.publish(Order(n=n))
        assert numbers(list(await anext(iterator))) == [n]


@both
async def test_an_async_for_cancelled_in_its_body_loses_nothing() -> None:
    """A loop that is cancelled while it handles an event has received that one; all later events are still there."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 10)
    handled: list[int] = []
    for _ in range(3):
        with anyio.move_on_after(1):
            async for event in subscription:
                handled.append(event.n)
                if len(handled) % 3 == 0:
                    await anyio.sleep_forever()
    assert handled == list(range(9))
    assert numbers(take_all(subscription)) == [9]
    balanced(subscription)


@both
async def test_a_loop_left_by_break_and_entered_again_goes_on() -> None:
    """`break` leaves in the buffer what was not delivered, and the next loop on the same subscription gets it."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 10)
    came: list[int] = []
    while len(came) < 10:
        async for event in subscription:
            came.append(event.n)
            if len(came) % 3 == 0 or len(came) == 10:
                break
    assert came == list(range(10))


@only_asyncio
async def test_a_cancelled_readers_turn_passes_on() -> None:
    """Of several waiting readers the first is cancelled as the event comes: another reader gets it, and none hangs."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    for n in range(300):
        first = asyncio.create_task(subscription.receive())
        second = asyncio.create_task(subscription.receive())
        await asyncio.sleep(0)
        subject.publish_nowait(Order(n=n))
        first.cancel()
        result = (await asyncio.gather(first, return_exceptions=True))[0]
        if isinstance(result, asyncio.CancelledError):
            async with asyncio.timeout(1):
                assert (await second).n == n
        else:
            assert result.n == n
            second.cancel()
            await asyncio.gather(second, return_exceptions=True)
    assert take_all(subscription) == []


@only_asyncio
async def test_wait_for_around_receive_loses_nothing() -> None:
    """`asyncio.wait_for(receive(), short)` in a loop, at the same rate as the publisher: all events come, in order."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    came: list[int] = []

    async def publish() -> None:
        for n in range(200):
            await asyncio.sleep(0.01)
            await subject.publish(Order(n=n))

    task = asyncio.create_task(publish())
    while len(came) < 200:
        try:
            came.append((await asyncio.wait_for(subscription.receive(), 0.01)).n)
        except TimeoutError:
            continue
    await task
    assert came == list(range(200))


@only_asyncio
async def test_a_burst_into_many_cancelled_readers_keeps_every_event() -> None:
    """A burst wakes five readers, three of them are cancelled: every event is returned once or still there."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=10)
    for start in range(0, 1_000, 5):
        readers = [asyncio.create_task(subscription.receive()) for _ in range(5)]
        await asyncio.sleep(0)
        fill(subject, 5, start)
        for reader in readers[start % 3 :: 2]:
            reader.cancel()
        results: list[Any] = await asyncio.gather(*readers, return_exceptions=True)
        came = [event.n for event in results if not isinstance(event, BaseException)]
        left = numbers(take_all(subscription))
        assert sorted(came + left) == list(range(start, start + 5))
        assert left == sorted(left)


@both
async def test_a_subscription_survives_the_cancelled_task_that_read_it() -> None:
    """A task that iterates is cancelled; another task goes on reading and misses nothing."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    came: list[int] = []

    async def read(source: AsyncIterator[Order]) -> None:
        async for event in source:
            came.append(event.n)

    for n in range(0, 30, 3):
        async with group() as tasks:
            tasks.start_soon(read, aiter(subscription))
            await settle()
            fill(subject, 3, n)
            await turn(1)
    came += numbers(take_all(subscription))
    assert came == list(range(30))


@both
async def test_a_batch_is_returned_whole_or_stays_whole() -> None:
    """A read of `batches` that is cancelled while events wait leaves all of them in the buffer, in order."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 6)
    batches = aiter(subscription.batches())
    got: list[int] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        got += numbers(list(await anext(batches)))
    fill(subject, 2, 6)
    while len(got) < 8:
        got += numbers(list(await anext(batches)))
    assert got == list(range(8))
    balanced(subscription)
