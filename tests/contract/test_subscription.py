"""Section 2, a subscription's life: active from the call on, several readers, iterators, and how it ends."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import anyio
import anyio.abc
import pytest

from evenflow import Subject as PlainSubject
from evenflow.streams import Stream

from .kit import (
    Order,
    Shipped,
    Subject,
    balanced,
    both,
    both_real,
    collect,
    fill,
    group,
    numbers,
    publishing,
    settle,
    take_all,
    turn,
)


@both
async def test_a_subscription_is_active_from_the_call_on() -> None:
    """Events published after `subscribe` and before `async with` are in the buffer."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 2)
    async with subscription as entered:
        assert entered is subscription
        assert numbers(take_all(entered)) == [0, 1]


@both
async def test_a_subscription_is_a_stream_and_an_anyio_receive_stream() -> None:
    """It can be handed to any function that takes an anyio ObjectReceiveStream."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    assert isinstance(subscription, Stream)
    assert isinstance(subscription, anyio.abc.ObjectReceiveStream)


@both
async def test_receive_nowait_raises_would_block_if_nothing_is_buffered() -> None:
    """After that the subscription works as before."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    with pytest.raises(anyio.WouldBlock):
        subscription.receive_nowait()
    fill(subject, 1)
    assert subscription.receive_nowait().n == 0


@both
async def test_leaving_the_block_detaches() -> None:
    """After `async with` publishers do not count the subscription, and it can no longer be read."""
    subject = Subject(Order)
    async with subject.subscribe(Order) as subscription:
        assert await subject.publish(Order(n=0)) == 1
    assert await subject.publish(Order(n=1)) == 0
    with pytest.raises(anyio.ClosedResourceError):
        await subscription.receive()


@both
async def test_leaving_the_block_in_a_cancelled_scope_detaches_too() -> None:
    """Closing has nothing to wait for, so a cancelled scope does not stop it."""
    subject = Subject(Order)
    with anyio.CancelScope() as scope:
        async with subject.subscribe(Order):
            scope.cancel()
            await anyio.sleep(1)
    assert await subject.publish(Order(n=1)) == 0


# -- several readers


@both
async def test_each_event_goes_to_one_of_several_readers() -> None:
    """With ten readers of one subscription each of a hundred events is received once."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=8)
    had: list[tuple[int, int]] = []

    async def read(reader: int) -> None:
        async for event in subscription:
            had.append((reader, event.n))
            await turn(reader % 3)

    async with anyio.create_task_group() as tasks:
        for reader in range(10):
            tasks.start_soon(read, reader)
        await settle()
        await subject.publish_many(Order(n=n) for n in range(100))
        subject.close()
    assert sorted(n for _, n in had) == list(range(100))
    assert len({reader for reader, _ in had}) > 1


@both
async def test_readers_are_served_in_the_order_in_which_they_waited() -> None:
    """The reader that has waited longest gets the next event."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    had: list[tuple[int, int]] = []

    async def read(reader: int) -> None:
        while True:
            event = await subscription.receive()
            had.append((reader, event.n))

    async with group() as tasks:
        for reader in range(3):
            tasks.start_soon(read, reader)
            await settle()
        for n in range(9):
            await subject.publish(Order(n=n))
            await settle()
    assert had == [(n % 3, n) for n in range(9)]


@both
async def test_a_burst_is_shared_among_the_waiting_readers_in_their_order() -> None:
    """Three events come at once for three waiting readers: each gets one, in the order in which they waited."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    had: list[tuple[int, int]] = []

    async def read_one(reader: int) -> None:
        event = await subscription.receive()
        had.append((reader, event.n))

    async with anyio.create_task_group() as tasks:
        for reader in range(3):
            tasks.start_soon(read_one, reader)
            await settle()
        fill(subject, 3)
    assert sorted(had) == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.parametrize("way", ["a list", "a generator", "one by one"])
@both
async def test_a_burst_of_publish_many_wakes_as_many_readers_as_it_has_events(way: str) -> None:
    """Three readers wait, three events come in one call, and no reader is left waiting."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    had: list[int] = []

    async def read_one() -> None:
        event = await subscription.receive()
        had.append(event.n)

    events = [Order(n=n) for n in range(3)]
    async with group() as tasks:
        for _ in range(3):
            tasks.start_soon(read_one)
        await settle()
        if way == "one by one":
            for event in events:
                await subject.publish(event)
        else:
            await subject.publish_many(events if way == "a list" else iter(events))
        await settle()
        assert sorted(had) == [0, 1, 2]
    assert take_all(subscription) == []


@both
async def test_a_reader_that_is_woken_first_does_not_disturb_the_others() -> None:
    """300 readers of one subscription are woken, and one of another is woken before its turn: all get their event."""
    subject = Subject(Order, Shipped)
    many = subject.subscribe(Order, buffer=300)
    newest = subject.subscribe(Shipped, buffer=1, overflow="drop_oldest")
    had: list[int] = []

    async def read_one() -> None:
        event = await many.receive()
        had.append(event.n)

    async with group() as tasks:
        for _ in range(300):
            tasks.start_soon(read_one)
        tasks.start_soon(newest.receive)
        await settle()
        fill(subject, 300)
        await subject.publish(Shipped(n=0))
        await subject.publish(Shipped(n=1))
        with anyio.fail_after(5):
            await settle()
    assert sorted(had) == list(range(300))
    assert take_all(many) == []


@both
async def test_a_cancelled_readers_turn_passes_on() -> None:
    """The reader that waited longest is cancelled before an event comes: the next one gets it."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    had: list[str] = []

    async def read(name: str) -> None:
        await subscription.receive()
        had.append(name)

    async with group() as tasks:
        scope = anyio.CancelScope()

        async def first() -> None:
            with scope:
                await read("first")

        tasks.start_soon(first)
        await settle()
        tasks.start_soon(read, "second")
        await settle()
        scope.cancel()
        await settle()
        await subject.publish(Order(n=0))
        await settle()
    assert had == ["second"]


# -- iterators


@both
async def test_iterators_of_one_subscription_share_it() -> None:
    """Two iterators, receive, receive_nowait and batches read one buffer: one order, nothing twice."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 8)
    one, two = aiter(subscription), aiter(subscription)
    had = [
        await anext(one),
        await anext(two),
        await subscription.receive(),
        await anext(one),
        subscription.receive_nowait(),
        await anext(two),
    ]
    had += await anext(aiter(subscription.batches()))
    assert numbers(had) == list(range(8))
    balanced(subscription)


@both
async def test_batches_are_tuples_of_all_that_is_waiting() -> None:
    """A batch is all that is buffered, at most `buffer` events; if nothing is buffered the read waits."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=4)
    fill(subject, 3)
    batches = aiter(subscription.batches())
    batch = await anext(batches)
    assert isinstance(batch, tuple)
    assert numbers(list(batch)) == [0, 1, 2]
    with anyio.move_on_after(1) as scope:
        await anext(batches)
    assert scope.cancelled_caught
    fill(subject, 4, 3)
    assert numbers(list(await anext(batches))) == [3, 4, 5, 6]
    subject.close()
    with pytest.raises(StopAsyncIteration):
        await anext(batches)


@both
async def test_no_batch_is_larger_than_the_buffer() -> None:
    """With a long replay, too, a batch has at most `buffer` events, and none is empty."""
    subject = Subject(Order, replay=10)
    fill(subject, 10)
    subscription = subject.subscribe(Order, buffer=4)
    fill(subject, 4, 10)
    subject.close()
    batches = [numbers(list(batch)) async for batch in subscription.batches()]
    assert [n for batch in batches for n in batch] == list(range(14))
    assert all(1 <= len(batch) <= 4 for batch in batches)


@both
async def test_an_iterator_that_has_ended_stays_ended() -> None:
    """After the end each further `anext` raises StopAsyncIteration."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    iterator = aiter(subscription)
    subject.close()
    for _ in range(3):
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)


# -- losing its references


class Owner:
    """Owns a subscription whose `where` is a method of the owner: a reference cycle."""

    def __init__(self, subject: Any) -> None:
        self.subscription = subject.subscribe(Order, where=self.wants, buffer=1)

    def wants(self, event: Order) -> bool:
        """Everything."""
        return event.n >= 0


async def left_by_break(subject: Any) -> None:
    """Read one event in a bare `async for`."""
    async for _ in subject.subscribe(Order, buffer=1):
        break


@both
async def test_a_subscription_left_by_break_does_not_block_the_publisher() -> None:
    """A bare `async for` that ends by break detaches it, with a ResourceWarning that names this file."""
    subject = PlainSubject(Order)
    async with group() as tasks:
        with pytest.warns(ResourceWarning, match=r"test_subscription\.py") as caught:
            tasks.start_soon(left_by_break, subject)
            await settle()
            await subject.publish(Order(n=0))
            await settle()
            collect()
        assert len(caught) == 1
        with anyio.fail_after(5):
            for n in range(1, 10):
                assert await subject.publish(Order(n=n)) == 0


@both
async def test_a_publish_goes_on_when_the_subscription_it_waits_for_loses_its_last_reference() -> None:
    """The subscription is detached, and the publish no longer waits for room in it."""
    subject = PlainSubject(Order)
    subscription: Any = subject.subscribe(Order, buffer=1)
    subject.publish_nowait(Order(n=0))
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        assert waiting.waits
        with pytest.warns(ResourceWarning):
            del subscription
            collect()
        await anyio.sleep(1)
        await settle()
        assert waiting.result == 0


@both
async def test_a_subscription_whose_where_is_a_method_of_its_owner_goes_with_the_owner() -> None:
    """Both are freed, and the publish that waited for room goes on."""
    subject = PlainSubject(Order)
    owner = Owner(subject)
    ref = weakref.ref(owner)
    subject.publish_nowait(Order(n=0))
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        assert waiting.waits
        with pytest.warns(ResourceWarning):
            del owner
            collect()
        assert ref() is None
        await anyio.sleep(1)
        await settle()
        assert waiting.result == 0
    assert await subject.publish(Order(n=2)) == 0


@pytest.mark.parametrize("option", ["where", "conflate"])
@both
async def test_the_subject_keeps_neither_where_nor_conflate_alive(option: str) -> None:
    """What a callable refers to is freed with the subscription, though the subject lives on."""
    subject = PlainSubject(Order)

    class Held:
        """What the callable closes over."""

    def build() -> tuple[Any, weakref.ref[Any]]:
        held = Held()
        options: dict[str, Callable[[Any], Any]] = {option: lambda event: held is not None}
        return subject.subscribe(Order, **options), weakref.ref(held)

    subscription, ref = build()
    await subject.publish(Order(n=0))
    assert ref() is not None
    await subscription.aclose()
    del subscription
    collect()
    assert ref() is None


@both_real
async def test_a_subscription_collected_in_another_thread_frees_the_publisher_within_a_second() -> None:
    """The last reference goes in another thread: the publish that waits for it goes on within a second."""
    subject = PlainSubject(Order)
    box: list[Any] = [subject.subscribe(Order, buffer=1)]
    subject.publish_nowait(Order(n=0))

    def drop_it() -> None:
        box.clear()
        gc.collect()

    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        assert waiting.waits
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            thread = threading.Thread(target=drop_it)
            thread.start()
            thread.join(60)
            assert not thread.is_alive()
        assert [warning.category for warning in caught] == [ResourceWarning]
        with anyio.fail_after(60):
            while waiting.waits:
                await anyio.sleep(0.01)
        assert waiting.result == 0
    assert await subject.publish(Order(n=2)) == 0


@both_real
async def test_a_subscription_collected_in_another_thread_is_soon_not_counted() -> None:
    """Its own loop detaches it, and later publishes do not count it."""
    subject = PlainSubject(Order)
    stays = subject.subscribe(Order, overflow="drop_oldest")
    await subject.publish(Order(n=0))
    box: list[Any] = [subject.subscribe(Order, buffer=1) for _ in range(5)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        thread = threading.Thread(target=box.clear)
        thread.start()
        thread.join(60)
    with anyio.fail_after(60):
        for n in range(5):
            await subject.publish(Order(n=n))
    assert await subject.publish(Order(n=9)) == 1
    await stays.aclose()


@both
async def test_a_subscription_that_was_closed_warns_of_nothing() -> None:
    """Losing the last reference after aclose or `async with` gives no warning."""
    subject = PlainSubject(Order)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        async with subject.subscribe(Order):
            pass
        subscription = subject.subscribe(Order)
        await subscription.aclose()
        del subscription
        collect()
    assert caught == []


@both
async def test_a_subscription_without_references_is_neither_asked_nor_counted() -> None:
    """Its `where` is not called, and publish does not count it."""
    subject = PlainSubject(Order)
    asked: list[int] = []

    def where(event: Order) -> bool:
        asked.append(event.n)
        return True

    subscription: Any = subject.subscribe(Order, where=where)
    await subject.publish(Order(n=0))
    with pytest.warns(ResourceWarning):
        del subscription
        collect()
    await turn(2)
    assert await subject.publish(Order(n=1)) == 0
    assert asked == [0]
