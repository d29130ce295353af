"""Guarantee 5: bounded. A subscription holds `buffer` events, plus what is left of its replay, and no more."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from abc import ABC
from contextlib import suppress
from typing import Any

import anyio
import pytest

from evenflow import Deadlock, Event

from .kit import (
    Order,
    Shipped,
    Subject,
    balanced,
    both,
    collect,
    fill,
    group,
    numbers,
    publishing,
    settle,
    take_all,
    turn,
)

POLICIES = ("block", "drop_oldest", "drop_newest", "disconnect")


@pytest.mark.parametrize("overflow", POLICIES)
@pytest.mark.parametrize("buffer", [1, 2, 7])
@both
async def test_no_overflow_policy_holds_more_than_its_buffer(overflow: Any, buffer: int) -> None:
    """Whatever is published, `waiting` never exceeds `buffer`, and `capacity` is `buffer`."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=buffer, overflow=overflow)
    for n in range(buffer * 3):
        try:
            subject.publish_nowait(Order(n=n))
        except anyio.WouldBlock:
            assert overflow == "block"
        assert subscription.statistics().waiting <= buffer
    assert subscription.statistics().capacity == buffer
    assert subscription.statistics().waiting == buffer
    assert len([subscription.receive_nowait() for _ in range(buffer)]) == buffer
    balanced(subscription)


@pytest.mark.parametrize("way", ["publish", "nowait", "many", "generator"])
@pytest.mark.parametrize("overflow", POLICIES[:3])
@both
async def test_several_buffers_that_become_full_by_one_event_take_no_more(overflow: Any, way: str) -> None:
    """Several buffers become full at once or one after the other, and none of them takes an event too many."""
    subject = Subject(Order)
    subscriptions = [subject.subscribe(Order, buffer=buffer, overflow=overflow) for buffer in (100, 2, 2, 3, 2, 4, 3)]
    for n in range(0, 12, 2):
        events = [Order(n=n), Order(n=n + 1)]
        with anyio.move_on_after(1):
            if way == "many":
                await subject.publish_many(events)
            elif way == "generator":
                await subject.publish_many(iter(events))
            else:
                for event in events:
                    try:
                        subject.publish_nowait(event) if way == "nowait" else await subject.publish(event)
                    except anyio.WouldBlock:
                        assert overflow == "block"
        for subscription in subscriptions:
            statistics = subscription.statistics()
            assert statistics.waiting <= statistics.capacity
            balanced(subscription)
        if overflow == "block":
            assert {s.statistics().wanted for s in subscriptions} == {2}


@pytest.mark.parametrize("way", ["publish", "nowait", "many", "another class", "a newcomer"])
@pytest.mark.parametrize("waiting_readers", [0, 1, 2])
@both
async def test_a_buffer_that_publish_many_has_filled_takes_no_more(way: str, waiting_readers: int) -> None:
    """It is full for the next event, however that is published, whether or not readers wait elsewhere."""
    subject = Subject(Order, Shipped)
    wide, narrow = subject.subscribe(buffer=9), subject.subscribe(Order, Shipped, buffer=4)
    event = Shipped(n=9) if way == "another class" else Order(n=9)
    async with group() as tasks:
        for _ in range(waiting_readers):
            tasks.start_soon(wide.receive)
        await settle()
        assert await subject.publish_many([Order(n=n) for n in range(4)]) == 8
        assert narrow.statistics().waiting == 4
        if way == "a newcomer":
            subject.subscribe(Order, where=Order.n > 0)
        if way == "nowait":
            with pytest.raises(anyio.WouldBlock):
                subject.publish_nowait(event)
        else:
            with anyio.move_on_after(1) as scope:
                await (subject.publish_many([event, event]) if way == "many" else subject.publish(event))
            assert scope.cancelled_caught
        assert (narrow.statistics().waiting, subject.statistics().published) == (4, 4)
        assert [narrow.receive_nowait().n for _ in range(4)] == [0, 1, 2, 3]
        assert await subject.publish_many([Order(n=4), Order(n=5)]) == (4 if way != "a newcomer" else 6)
        for each in (wide, narrow):
            balanced(each)


@pytest.mark.parametrize("way", ["the same", "nowait", "many", "another class", "a newcomer", "two readers"])
@both
async def test_a_buffer_that_was_filled_one_by_one_takes_no_more(way: str) -> None:
    """Publishes that never had to wait have filled it: it is full for the next event, however that is published."""
    subject = Subject(Order, Shipped)
    wide, narrow = subject.subscribe(buffer=9), subject.subscribe(Order, Shipped, buffer=4)
    received: list[int] = []

    async def read_one() -> None:
        received.append((await narrow.receive()).n)

    async with group() as tasks:
        for _ in range(1 + (way == "two readers")):
            tasks.start_soon(read_one)
        await settle()
        for n in range(4 + (way != "two readers") + 2 * (way == "two readers")):
            await subject.publish(Order(n=n))
            await turn()
        assert (narrow.statistics().waiting, len(received)) == (4, 1 + (way == "two readers"))
        event = Shipped(n=9) if way == "another class" else Order(n=9)
        if way == "a newcomer":
            subject.subscribe(Order, where=Order.n > 0)
        with anyio.move_on_after(1) as scope:
            if way == "many":
                await subject.publish_many([event, event])
            elif way == "nowait":
                with pytest.raises(anyio.WouldBlock):
                    subject.publish_nowait(event)
            else:
                await subject.publish(event)
        assert scope.cancelled_caught is (way != "nowait")
        assert narrow.statistics().waiting == 4
        assert wide.statistics().wanted == narrow.statistics().wanted == subject.statistics().published
        for each in (wide, narrow):
            balanced(each)


@pytest.mark.parametrize("extra", [0, 1, 2])
@pytest.mark.parametrize("times", range(12))
@both
async def test_a_buffer_that_was_emptied_several_times_takes_no_more_than_it_holds(times: int, extra: int) -> None:
    """A reader keeps up for a while and then stops: the buffer takes no event too many."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=4)
    published = 0
    for burst in (*[1] * times, 1 + extra):
        for _ in range(burst):
            await subject.publish(Order(n=published))
            published += 1
        subscription.receive_nowait()
    with pytest.raises(Deadlock):
        for _ in range(5):
            await subject.publish(Order(n=published))
            published += 1
    assert subscription.statistics().waiting == 4
    assert subject.statistics().published == published
    assert numbers(take_all(subscription)) == list(range(published))[-4:]


@both
async def test_a_hundred_waiting_publishes_put_nothing_beyond_the_buffer() -> None:
    """The events of waiting publishes stay with their publishers and are not in the subscription."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2)
    fill(subject, 2)
    async with group() as tasks:
        for n in range(100):
            tasks.start_soon(subject.publish, Order(n=n))
        await settle()
        for _ in range(50):
            assert subscription.statistics().waiting == 2
            await subscription.receive()
            await settle()
        assert subscription.statistics().waiting == 2


@both
async def test_an_iterator_does_not_widen_the_buffer() -> None:
    """Events that an iterator has not delivered count as buffered: there are never more than `buffer`."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=4)
    fill(subject, 4)
    iterator = aiter(subscription)
    assert (await anext(iterator)).n == 0
    assert subscription.statistics().waiting == 3
    subject.publish_nowait(Order(n=4))
    with pytest.raises(anyio.WouldBlock):
        subject.publish_nowait(Order(n=5))
    assert subscription.statistics().waiting == 4
    assert numbers(take_all(subscription)) == [1, 2, 3, 4]


@both
async def test_conflation_holds_no_more_keys_than_its_buffer() -> None:
    """Of a thousand keys, a subscription with a buffer of five holds five."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=5, conflate=Order.n)
    fill(subject, 1_000)
    assert subscription.statistics().waiting == 5
    assert numbers(take_all(subscription)) == [995, 996, 997, 998, 999]


@both
async def test_replay_adds_only_what_is_left_of_it() -> None:
    """A subscription holds its replay and `buffer` events more; a replayed event that was read is held no longer."""
    subject = Subject(Order, replay=10)
    fill(subject, 10)
    subscription = subject.subscribe(Order, buffer=2)
    assert subscription.statistics().waiting == 10
    fill(subject, 2, 10)
    assert subscription.statistics().waiting == 12
    with pytest.raises(anyio.WouldBlock):
        subject.publish_nowait(Order(n=12))
    for _ in range(10):
        await subscription.receive()
    assert subscription.statistics().waiting == 2
    with pytest.raises(anyio.WouldBlock):
        subject.publish_nowait(Order(n=12))


@both
async def test_a_subject_keeps_no_more_than_its_replay() -> None:
    """`replay=5` keeps five events alive, however many were published."""
    subject = Subject(Order, replay=5)
    kept: list[weakref.ref[Order]] = []
    for n in range(50):
        event = Order(n=n)
        kept.append(weakref.ref(event))
        await subject.publish(event)
    del event
    collect()
    assert sum(ref() is not None for ref in kept) == 5


@both
async def test_replay_by_evicts_the_least_recently_used_key() -> None:
    """`replay_keys=3` keeps three keys: the one that was not published for longest is evicted."""
    subject = Subject(Order, replay=1, replay_by=Order.region, replay_keys=3)
    for n, region in enumerate(["a", "b", "c", "a", "d"]):
        await subject.publish(Order(n=n, region=region))
    subscription = subject.subscribe(Order)
    assert [(event.region, event.n) for event in take_all(subscription)] == [("c", 2), ("a", 3), ("d", 4)]


@pytest.mark.parametrize("way", ["receive", "nowait", "for", "batches"])
@both
async def test_an_event_that_was_delivered_is_no_longer_held(way: str) -> None:
    """Once a reader has dropped its reference to an event, nothing in evenflow holds it, however it was read."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    event: Any = Order(n=0)
    ref = weakref.ref(event)
    await subject.publish(event)
    if way == "receive":
        event = await subscription.receive()
    elif way == "nowait":
        event = subscription.receive_nowait()
    elif way == "for":
        event = await anext(aiter(subscription))
    else:
        event = await anext(aiter(subscription.batches()))
    del event
    collect()
    assert ref() is None


@both
async def test_a_waiting_reader_holds_no_delivered_event() -> None:
    """While a loop waits for the next event, evenflow does not keep the last one alive."""
    subject = Subject(Order)
    seen: list[weakref.ref[Order]] = []

    async def read() -> None:
        async with subject.subscribe(Order) as subscription:
            iterator = aiter(subscription)
            while True:
                seen.append(weakref.ref(await anext(iterator)))

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        for n in range(3):
            await subject.publish(Order(n=n))
            await settle()
        collect()
        assert [ref() for ref in seen] == [None, None, None]


@both
async def test_dropped_and_replaced_events_are_not_held() -> None:
    """Nothing holds an event that was dropped or replaced."""
    subject = Subject(Order)
    dropping = subject.subscribe(Order, buffer=1, overflow="drop_oldest", gaps=True)
    replacing = subject.subscribe(Order, conflate=Order.region)
    refusing = subject.subscribe(Order, buffer=1, overflow="drop_newest")
    await subject.publish(Order(n=-1))
    refs: list[weakref.ref[Order]] = []
    for n in range(10):
        event = Order(n=n)
        refs.append(weakref.ref(event))
        await subject.publish(event)
    del event
    collect()
    assert sum(ref() is not None for ref in refs) == 1
    assert [s.statistics().waiting for s in (dropping, replacing, refusing)] == [1, 1, 1]


@both
async def test_memory_does_not_grow_with_the_number_of_events() -> None:
    """After 6,000 events with every policy, no more memory is in use than after the first 1,000."""
    subject = Subject(Order)
    subject_readers = [subject.subscribe(Order, buffer=4, overflow=policy, gaps=True) for policy in POLICIES[1:3]]
    conflated = subject.subscribe(Order, buffer=4, conflate=Order.n)
    fast = subject.subscribe(Order)

    async def flow(count: int) -> None:
        for n in range(count):
            await subject.publish(Order(n=n))
            fast.receive_nowait()

    await flow(1_000)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await flow(5_000)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000, f"{grown} bytes more after 5,000 events"
    assert [s.statistics().waiting for s in (*subject_readers, conflated)] == [4, 4, 4]


@both
async def test_cancelled_publishes_leave_nothing_in_statistics_or_memory() -> None:
    """A thousand publishes that were cancelled while they waited leave nothing behind."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    refs: list[weakref.ref[Order]] = []
    for n in range(1_000):
        event = Order(n=n)
        refs.append(weakref.ref(event))
        with anyio.move_on_after(0):
            await subject.publish(event)
    del event
    with anyio.move_on_after(0):
        # Python keeps the frames of the last cancelled scope until the next one.
        await anyio.sleep(1)
    collect()
    assert sum(ref() is not None for ref in refs) == 0
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=-1))
        await subscription.receive()
        await settle()
        assert waiting.result == 1


@pytest.mark.parametrize("subscriptions", [1, 3])
@both
async def test_a_publisher_that_never_rests_fills_no_buffer_above_its_bound(subscriptions: int) -> None:
    """Readers that keep up make room again and again: after each publish no buffer holds more than `buffer` events."""
    subject = Subject(Order)
    reading = [subject.subscribe(Order, buffer=4) for _ in range(subscriptions)]
    received: list[list[int]] = [[] for _ in reading]

    async def read(reader: int) -> None:
        async for order in reading[reader]:
            received[reader].append(order.n)

    async with group() as tasks:
        for reader in range(subscriptions):
            tasks.start_soon(read, reader)
        await settle()
        for n in range(100):
            await subject.publish(Order(n=n))
            assert all(one.statistics().waiting <= 4 for one in reading), n
        subject.close()
        await settle()
    assert received == [list(range(100))] * subscriptions


@both
async def test_publish_many_fills_no_buffer_above_its_bound_when_the_loop_should_have_turned_long_ago() -> None:
    """More was published without an await than the loop should wait for: the buffer still holds at most `buffer`."""
    busy, subject = Subject(Order), Subject(Order)
    busy.subscribe(Order, buffer=1, overflow="drop_oldest")
    subscription = subject.subscribe(Order, buffer=2)
    await subject.publish(Order(n=-1))  # so that the class is known already
    assert (await subscription.receive()).n == -1
    published: list[int] = []

    async def publish() -> None:
        fill(busy, 8_200)
        published.append(await subject.publish_many([Order(n=n) for n in range(20)]))

    async with group() as tasks:
        tasks.start_soon(publish)
        await settle()
        assert subscription.statistics().waiting == 2
        assert [(await subscription.receive()).n for _ in range(20)] == list(range(20))
        await settle()
    assert published == [20]


class Marked(ABC):  # noqa: B024 - to be derived from and to be registered with
    """What some events derive from, and others are registered with."""


class Deriving(Event, Marked):
    """An event whose class says that it is marked."""

    n: int


class Registered(Event):
    """An event of which `isinstance` must be asked."""

    n: int


Marked.register(Registered)


@pytest.mark.parametrize("pattern", ["DDDR", "RDDR", "DRDR", "RRDR", "DDDD", "RRRR"])
@pytest.mark.parametrize("way", ["publish", "publish_nowait", "publish_many"])
@both
async def test_a_subscription_to_an_abc_holds_no_more_than_its_buffer(way: str, pattern: str) -> None:
    """Events of classes that derive from it, and of classes that are registered with it, fill one buffer together."""
    subject: Subject[Any] = Subject(Deriving, Registered)
    subscription = subject.subscribe(Marked, buffer=3)
    events = [Deriving(n=n) if kind == "D" else Registered(n=n) for n, kind in enumerate(pattern)]
    may_go_on = anyio.Event()

    async def publish() -> None:
        for _ in range(2):  # so that the classes are known already
            await subject.publish(Deriving(n=-1))
            await subject.publish(Registered(n=-1))
        await may_go_on.wait()
        if way == "publish_many":
            await subject.publish_many(events)
        for event in events if way != "publish_many" else ():
            with suppress(anyio.WouldBlock):
                subject.publish_nowait(event) if way == "publish_nowait" else await subject.publish(event)

    async with group() as tasks:
        tasks.start_soon(publish)
        for _ in range(4):
            assert (await subscription.receive()).n == -1
        may_go_on.set()
        await settle()
        assert subscription.statistics().waiting == 3
        assert numbers(take_all(subscription)[:3]) == [0, 1, 2]
    balanced(subscription)
