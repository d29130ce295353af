"""Section 2, a subscription's life: active from the call, several readers, iterators, closing and letting go."""

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
async def test_it_is_active_from_the_call_on() -> None:
    """What is published after `subscribe` and before `async with` is there."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 2)
    async with subscription as entered:
        assert entered is subscription
        assert numbers(take_all(entered)) == [0, 1]


@both
async def test_it_is_a_stream_and_an_anyio_receive_stream() -> None:
    """A subscription can be handed to whatever takes an anyio ObjectReceiveStream."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    assert isinstance(subscription, Stream)
    assert isinstance(subscription, anyio.abc.ObjectReceiveStream)


@both
async def test_receive_nowait_would_block_where_there_is_nothing() -> None:
    """anyio.WouldBlock, and nothing changed."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    with pytest.raises(anyio.WouldBlock):
        subscription.receive_nowait()
    fill(subject, 1)
    assert subscription.receive_nowait().n == 0


@both
async def test_leaving_the_block_detaches() -> None:
    """After `async with` the subject does not count it, and it can no longer be read."""
    subject = Subject(Order)
    async with subject.subscribe(Order) as subscription:
        assert await subject.publish(Order(n=0)) == 1
    assert await subject.publish(Order(n=1)) == 0
    with pytest.raises(anyio.ClosedResourceError):
        await subscription.receive()


@both
async def test_leaving_the_block_in_a_cancelled_scope_detaches_too() -> None:
    """Closing has nothing to wait for: a cancelled scope does not stop it."""
    subject = Subject(Order)
    with anyio.CancelScope() as scope:
        async with subject.subscribe(Order):
            scope.cancel()
            await anyio.sleep(1)
    assert await subject.publish(Order(n=1)) == 0


# -- several readers


@both
async def test_each_event_goes_to_one_of_several_readers() -> None:
    """Ten readers, a hundred events: each is had once."""
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
    """The reader that waits longest gets the next event, and takes its place at the end again."""
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
    """Three events in one step for three waiting readers: each has one, in the order in which they waited."""
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
    """Three readers wait, three events come in one call: none of the readers is left waiting."""
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
async def test_a_reader_in_a_hurry_leaves_the_order_of_the_others() -> None:
    """More readers of one subscription than are woken at a time, and one of another that is woken before its turn."""
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
    """Two iterators, receive and receive_nowait take turns on one buffer: one order, nothing twice."""
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
    """One batch is all there is, at most `buffer`; a batch waits where there is nothing."""
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
    """Also with a long replay: a batch has at most `buffer` events, and none is empty."""
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
    """After the end every anext says so again."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    iterator = aiter(subscription)
    subject.close()
    for _ in range(3):
        with pytest.raises(StopAsyncIteration):
            await anext(iterator)


# -- letting go


class Owner:
    """Keeps a subscription whose `where` is its own bound method: a cycle."""

    def __init__(self, subject: Any) -> None:
        self.subscription = subject.subscribe(Order, where=self.wants, buffer=1)

    def wants(self, event: Order) -> bool:
        """Everything."""
        return event.n >= 0


async def left_by_break(subject: Any) -> None:
    """Read one event of a bare `async for`."""
    async for _ in subject.subscribe(Order, buffer=1):
        break


@both
async def test_left_by_break_and_let_go_it_does_not_block_the_publisher() -> None:
    """The body of a bare `async for` ended by break: detached, with a ResourceWarning that names this file and line."""
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
async def test_let_go_while_a_publish_waits_for_it() -> None:
    """The last reference goes while a publish waits for room in it: the publish goes on."""
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
async def test_let_go_by_its_owner_whose_method_is_its_where() -> None:
    """A subscription whose `where` is a bound method of its owner goes with the owner, and frees the publisher."""
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
    """What a callable closes over is freed with the subscription, though the subject lives on."""
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
async def test_collected_in_another_thread_it_frees_the_publisher_within_a_second() -> None:
    """The last reference goes in another thread: it is marked there, and the waiting publish goes on within a second."""
    subject = PlainSubject(Order)
    box: list[Any] = [subject.subscribe(Order, buffer=1)]
    subject.publish_nowait(Order(n=0))

    def let_go() -> None:
        box.clear()
        gc.collect()

    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        assert waiting.waits
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            thread = threading.Thread(target=let_go)
            thread.start()
            thread.join(5)
            assert not thread.is_alive()
        assert [warning.category for warning in caught] == [ResourceWarning]
        with anyio.fail_after(3):
            while waiting.waits:
                await anyio.sleep(0.01)
        assert waiting.result == 0
    assert await subject.publish(Order(n=2)) == 0


@both_real
async def test_collected_in_another_thread_while_nobody_waits() -> None:
    """Marked in the other thread, it is detached by its own loop: the next publishes count it no more."""
    subject = PlainSubject(Order)
    stays = subject.subscribe(Order, overflow="drop_oldest")
    await subject.publish(Order(n=0))
    box: list[Any] = [subject.subscribe(Order, buffer=1) for _ in range(5)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        thread = threading.Thread(target=box.clear)
        thread.start()
        thread.join(5)
    with anyio.fail_after(3):
        for n in range(5):
            await subject.publish(Order(n=n))
    assert await subject.publish(Order(n=9)) == 1
    await stays.aclose()


@both
async def test_a_subscription_that_was_closed_warns_of_nothing() -> None:
    """Closed by aclose or `async with`, letting go says nothing."""
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
async def test_a_subscription_that_was_let_go_is_no_longer_wanted_or_counted() -> None:
    """Neither `where` is asked nor the event held for a subscription that was let go."""
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
