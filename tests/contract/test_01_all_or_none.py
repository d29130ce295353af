"""Guarantee 1: all or none. A publish happens in one instant: before it nobody has the event, then everybody has."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import anyio
import pytest

from evenflow import Subject as PlainSubject, SubjectClosed, when

from .kit import (
    MEDDLING,
    Meddler,
    Order,
    Shipped,
    Subject,
    balanced,
    both,
    collect,
    fill,
    group,
    numbers,
    only_asyncio,
    publishing,
    settle,
    take_all,
    turn,
)


@both
async def test_a_cancelled_publish_that_waited_for_one_of_a_hundred_subscriptions_reached_none() -> None:
    """Cancelling a publish that waits for one full subscription leaves the other ninety-nine without the event."""
    subject = Subject(Order)
    subscriptions = [subject.subscribe(Order, buffer=2) for _ in range(100)]
    fill(subject, 2)
    for subscription in subscriptions[:50] + subscriptions[51:]:
        assert len(take_all(subscription)) == 2
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=2))
        assert waiting.waits
        waiting.scope.cancel()
        await settle()
        assert waiting.cancelled
    assert numbers(take_all(subscriptions[50])) == [0, 1]
    for subscription in subscriptions:
        assert take_all(subscription) == []
        assert subscription.statistics().wanted == 2
        balanced(subscription)


@both
async def test_while_a_publish_waits_no_buffer_has_the_event() -> None:
    """The event of a waiting publish is in no buffer, not even in those that have room."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    free = subject.subscribe(Order)
    fill(subject, 1)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        assert numbers(take_all(free)) == [0]
        assert free.statistics().wanted == 1
        assert (await full.receive()).n == 0
        await settle()
        assert waiting.result == 2
    assert numbers(take_all(free)) == [1]
    assert numbers(take_all(full)) == [1]


@both
async def test_a_publish_that_timed_out_reached_none() -> None:
    """A publish that `fail_after` ends was not delivered to any subscription."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    free = subject.subscribe(Order)
    fill(subject, 1)
    with pytest.raises(TimeoutError):
        with anyio.fail_after(2):
            await subject.publish(Order(n=1))
    assert numbers(take_all(full)) == [0]
    assert numbers(take_all(free)) == [0]


@both
async def test_publish_in_a_cancelled_scope_reaches_nobody() -> None:
    """A publish in a scope that is already cancelled raises, and nobody gets the event, even if all have room."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    reached = False
    with anyio.CancelScope() as scope:
        scope.cancel()
        await subject.publish(Order(n=0))
        reached = True
    assert not reached
    assert take_all(subscription) == []
    assert subscription.statistics().wanted == 0


@both
async def test_the_cancelled_one_of_two_publishing_tasks_reaches_nobody() -> None:
    """Two tasks publish in turns, the second in a cancelled scope: no event of the second is delivered."""
    subject = Subject(Order)
    received: list[int] = []

    async def read() -> None:
        async for event in subject.subscribe(Order):
            received.append(event.n)

    async def cancelled(n: int) -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            for _ in range(3):
                with pytest.raises(BaseException):  # noqa: B017 -- whatever cancels here
                    await subject.publish(Order(n=100 + n))

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        for n in range(9):
            await subject.publish(Order(n=n))
            if n % 3 == 2:
                tasks.start_soon(cancelled, n)
                await settle()
    assert received == list(range(9))


@both
async def test_publish_many_in_a_cancelled_scope_reaches_nobody() -> None:
    """publish_many in a cancelled scope raises before it has delivered its first event."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await subject.publish_many([Order(n=0), Order(n=1)])
    assert scope.cancelled_caught
    assert take_all(subscription) == []


@both
async def test_publish_nowait_that_would_block_reached_none() -> None:
    """If publish_nowait raises `WouldBlock`, nobody got the event."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    free = subject.subscribe(Order)
    fill(subject, 1)
    with pytest.raises(anyio.WouldBlock):
        subject.publish_nowait(Order(n=1))
    assert numbers(take_all(free)) == [0]
    assert numbers(take_all(full)) == [0]


@both
async def test_drops_and_disconnects_are_decided_in_the_instant_of_the_publish() -> None:
    """A publish that waits for one subscription drops nothing at another and disconnects nobody until it happens."""
    subject = Subject(Order)
    blocking = subject.subscribe(Order, buffer=1, overflow="block")
    dropping = subject.subscribe(Order, buffer=1, overflow="drop_oldest")
    refusing = subject.subscribe(Order, buffer=1, overflow="drop_newest")
    leaving = subject.subscribe(Order, buffer=1, overflow="disconnect")
    fill(subject, 1)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        assert waiting.waits
        for subscription in (dropping, refusing, leaving):
            assert subscription.statistics().dropped == 0
        waiting.scope.cancel()
        await settle()
    assert numbers(take_all(dropping)) == [0]
    assert numbers(take_all(refusing)) == [0]
    assert numbers(take_all(leaving)) == [0]
    assert numbers(take_all(blocking)) == [0]
    assert await subject.publish(Order(n=2)) == 4
    assert (await leaving.receive()).n == 2


@both
async def test_nothing_is_dropped_where_a_reader_made_room_while_the_publish_waited() -> None:
    """What a drop_oldest subscription drops is decided when the publish happens, not when it starts to wait."""
    subject = Subject(Order)
    blocking = subject.subscribe(Order, buffer=1)
    dropping = subject.subscribe(Order, buffer=1, overflow="drop_oldest")
    fill(subject, 1)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        assert dropping.receive_nowait().n == 0
        await blocking.receive()
        await settle()
        assert waiting.result == 2
    assert dropping.statistics().dropped == 0
    assert numbers(take_all(dropping)) == [1]


@pytest.mark.parametrize(
    "where",
    [None, Order.n == 1, ~when(Order.n == 0), lambda order: order.n == 1],
    ids=["no where", "indexed condition", "other condition", "callable"],
)
@both
async def test_a_newcomer_gets_the_event_of_a_publish_that_waits(where: Any) -> None:
    """A subscription made while a publish waits is active when that happens, and gets the event if it wants it."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        newcomer = subject.subscribe(Order, where=where)
        unwanting = subject.subscribe(Order, where=Order.n == 5)
        await full.receive()
        await settle()
        assert waiting.result == 2
    assert numbers(take_all(newcomer)) == [1]
    assert take_all(unwanting) == []


@both
async def test_a_publish_waits_for_a_newcomer_that_has_become_full() -> None:
    """A subscription that was made and filled while a publish waits must have room before that publish happens."""
    subject = Subject(Order, Shipped)
    full = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        newcomer = subject.subscribe(buffer=1)
        await subject.publish(Shipped(n=7))
        await full.receive()
        await settle()
        assert waiting.waits
        assert take_all(full) == []
        assert isinstance(await newcomer.receive(), Shipped)
        await settle()
        assert waiting.result == 2
    assert numbers(take_all(newcomer)) == [1]


@both
async def test_a_subscription_closed_while_a_publish_waits_is_not_counted() -> None:
    """publish returns how many subscriptions wanted the event when it happened; closed ones are not counted."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    leaver = subject.subscribe(Order)
    stays = subject.subscribe(Order)
    fill(subject, 1)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        await leaver.aclose()
        await full.receive()
        await settle()
        assert waiting.result == 2
    assert numbers(take_all(stays)) == [0, 1]
    assert leaver.statistics().wanted == 1


@both
async def test_closing_the_full_subscription_lets_the_publish_happen() -> None:
    """When the full subscription that a publish waits for is closed, the event reaches all others at once."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    free = subject.subscribe(Order)
    fill(subject, 1)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        await full.aclose()
        await settle()
        assert waiting.result == 1
    assert numbers(take_all(free)) == [0, 1]


@pytest.mark.parametrize("buffer", [1, 2, 100])
@pytest.mark.parametrize("where", [None, Order.n >= 0], ids=["no where", "where"])
@both
async def test_no_reader_has_an_event_before_its_publish_has_returned(buffer: int, where: Any) -> None:
    """When a publish happens it returns: no reader receives an event whose publish has not returned yet."""
    subject = Subject(Order)
    returned: set[int] = set()
    received: list[int] = []

    async def read() -> None:
        async with subject.subscribe(Order, buffer=buffer, where=where) as subscription:
            async for event in subscription:
                assert event.n in returned
                received.append(event.n)
                await turn(event.n % 3)

    async def publish(n: int) -> None:
        await subject.publish(Order(n=n))
        returned.add(n)

    async with anyio.create_task_group() as readers:
        readers.start_soon(read)
        await settle()
        async with anyio.create_task_group() as publishers:
            for n in range(20):
                publishers.start_soon(publish, n)
        subject.close()
    assert sorted(received) == list(range(20))


@only_asyncio
async def test_a_task_cancelled_just_as_room_comes_publishes_to_all_or_to_nobody() -> None:
    """`task.cancel()` in the tick in which a waiting publish gets room: all subscriptions get the event, or none."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    free = subject.subscribe(Order, buffer=10_000)
    for n in range(1_000):
        subject.publish_nowait(Order(n=n))
        task = asyncio.create_task(subject.publish(Order(n=-n - 1)))
        await asyncio.sleep(0)
        taken = full.receive_nowait()
        assert taken.n == n
        task.cancel()
        result: Any = (await asyncio.gather(task, return_exceptions=True))[0]
        at_full, at_free = numbers(take_all(full)), numbers(take_all(free))
        if isinstance(result, asyncio.CancelledError):
            assert (at_full, at_free) == ([], [n])
        else:
            assert result == 2
            assert (at_full, at_free) == ([-n - 1], [n, -n - 1])


@both
async def test_a_where_that_raises_leaves_the_event_with_all_others() -> None:
    """A `where` that raises ends its own subscription; all other subscriptions, older and newer, get the event."""
    subject = Subject(Order)

    def broken(event: Order) -> bool:
        raise ZeroDivisionError(event.n)

    before = [subject.subscribe(Order) for _ in range(3)]
    bad = subject.subscribe(Order, where=broken)
    after = [subject.subscribe(Order, where=lambda _: True) for _ in range(3)]
    await subject.publish(Order(n=1))
    await subject.publish(Order(n=2))
    for subscription in before + after:
        assert numbers(take_all(subscription)) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        await bad.receive()
    balanced(bad)


@both
async def test_a_conflate_that_raises_leaves_the_event_with_all_others() -> None:
    """A `conflate` that raises ends its own subscription; all other subscriptions get the event."""
    subject = Subject(Order)

    def broken(event: Order) -> int:
        return 1 // (event.n - 1)

    before = [subject.subscribe(Order) for _ in range(3)]
    bad = subject.subscribe(Order, conflate=broken)
    after = [subject.subscribe(Order, conflate=lambda event: event.n) for _ in range(3)]
    await subject.publish(Order(n=0))
    await subject.publish(Order(n=1))
    await subject.publish(Order(n=2))
    for subscription in before + after:
        assert numbers(take_all(subscription)) == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        for _ in range(2):
            await bad.receive()
    balanced(bad)


@both
async def test_where_and_conflate_run_once_for_an_event_however_long_its_publish_waits() -> None:
    """A publish that waits while subscriptions come and go calls `where` and `conflate` of each subscription once."""
    subject = Subject(Order)
    asked: list[int] = []
    keyed: list[int] = []

    def where(event: Order) -> bool:
        asked.append(event.n)
        return True

    def key(event: Order) -> int:
        keyed.append(event.n)
        return event.n

    full = subject.subscribe(Order, buffer=1)
    kept = subject.subscribe(Order, where=where, conflate=key)
    fill(subject, 1)
    asked.clear()
    keyed.clear()
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        for _ in range(5):
            passing = subject.subscribe(Order, buffer=1)
            await settle()
            await passing.aclose()
            await settle()
        assert waiting.waits
        await full.receive()
        await settle()
        assert waiting.result is not None
    assert keyed == [1]
    assert asked.count(1) == 1
    await kept.aclose()


class Owner:
    """Owns a subscription whose `where` is a method of the owner: a cycle that only the garbage collector ends."""

    def __init__(self, subject: PlainSubject[Order]) -> None:
        self.subscription = subject.subscribe(Order, where=self.wants)

    def wants(self, event: Order) -> bool:
        """Everything."""
        return event.n >= 0


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@both
async def test_a_garbage_collection_during_a_publish_leaves_the_event_with_all_others() -> None:
    """The collector finds abandoned subscriptions during a publish: all others get this event and the next."""
    gc.disable()
    try:
        subject = PlainSubject(Order)
        before = [subject.subscribe(Order, where=lambda event: event.n >= 0) for _ in range(5)]
        abandoned = [Owner(subject) for _ in range(5)]

        def collects(event: Order) -> bool:
            gc.collect()
            return True

        collecting = subject.subscribe(Order, where=collects)
        abandoned += [Owner(subject) for _ in range(5)]
        after = [subject.subscribe(Order) for _ in range(5)]
        abandoned.clear()
        wanted = await subject.publish(Order(n=0))
        assert 11 <= wanted <= 21
        collect()
        assert await subject.publish(Order(n=1)) == 11
        for subscription in [*before, collecting, *after]:
            assert numbers(take_all(subscription)) == [0, 1]
            balanced(subscription)
            await subscription.aclose()
    finally:
        gc.enable()


@pytest.mark.parametrize("what", MEDDLING)
@pytest.mark.parametrize("way", ["publish", "nowait", "many", "conditional"])
@both
async def test_a_destructor_that_uses_the_subject_during_a_publish_acts_before_or_after_it(what: str, way: str) -> None:
    """Whatever a destructor does to the subject during a publish, all subscriptions get the event, or none."""
    where = Order.n >= 0 if way == "conditional" else None
    threshold = gc.get_threshold()
    outcomes: set[str] = set()
    for after in range(1, 60, 2):
        subject = PlainSubject(Order)
        readers = [subject.subscribe(Order, where=where) for _ in range(10)]
        kept: list[Any] = [subject.subscribe(Order, where=where)]
        event = Order(n=1)
        gc.disable()
        meddled: list[int] = []
        Meddler(lambda subject=subject, kept=kept, meddled=meddled: (meddled.append(1), MEDDLING[what](subject, kept)))
        # The collector runs once `after` more objects have been made.
        gc.set_threshold(gc.get_count()[0] + after, 1_000, 1_000)
        gc.enable()
        try:
            if way == "nowait":
                subject.publish_nowait(event)
            elif way == "many":
                await subject.publish_many([event, event])
            else:
                await subject.publish(event)
        except (SubjectClosed, anyio.WouldBlock):
            pass
        finally:
            outcomes.add("during the publish" if meddled else "after it")
            gc.set_threshold(*threshold)
        had = [[n for n in numbers(take_all(reader)) if n != 100] for reader in readers]
        assert had in ([[]] * 10, [[1]] * 10, [[1, 1]] * 10), f"some have the event and some do not: {had}"
        gc.collect(1)  # The destructor may not have run yet.
        for reader in [*readers, *kept]:
            balanced(reader)
            await reader.aclose()
    assert "during the publish" in outcomes


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@both
async def test_a_subscription_that_is_collected_during_a_publish_is_detached_before_or_after_it() -> None:
    """Whenever the collector finds a subscription that nobody holds, all others get the event."""
    threshold = gc.get_threshold()
    for after in range(1, 60, 2):
        gc.disable()
        subject = PlainSubject(Order)
        readers = [subject.subscribe(Order) for _ in range(5)]
        abandoned: list[Any] = [subject.subscribe(Order)]
        abandoned.append(abandoned)
        del abandoned
        readers += [subject.subscribe(Order) for _ in range(5)]
        event = Order(n=1)
        # The collector runs once `after` more objects have been made.
        gc.set_threshold(gc.get_count()[0] + after, 1_000, 1_000)
        gc.enable()
        try:
            await subject.publish(event)
        finally:
            gc.set_threshold(*threshold)
        for reader in readers:
            assert numbers(take_all(reader)) == [1]
            await reader.aclose()


class CollectingKey:
    """A key that runs the garbage collector in its hash and in its comparison."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __hash__(self) -> int:
        gc.collect()
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        gc.collect()
        return isinstance(other, CollectingKey) and other.value == self.value


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@both
async def test_a_garbage_collection_while_keys_are_compared_loses_nothing() -> None:
    """The collector finds abandoned subscriptions while keys are compared: every event arrives all the same."""
    gc.disable()
    try:
        subject = PlainSubject(Order)
        keyed = [
            subject.subscribe(Order, conflate=lambda event: CollectingKey(event.n % 2), buffer=2) for _ in range(3)
        ]
        plain = subject.subscribe(Order)
        for n in range(6):
            abandoned = [Owner(subject) for _ in range(3)]
            del abandoned
            await subject.publish(Order(n=n))
        assert numbers(take_all(plain)) == list(range(6))
        for subscription in keyed:
            assert numbers(take_all(subscription)) == [4, 5]
            assert subscription.statistics().replaced == 4
            balanced(subscription)
            await subscription.aclose()
        await plain.aclose()
    finally:
        gc.enable()


@both
async def test_an_event_that_publish_many_refuses_leaves_those_before_it_delivered() -> None:
    """publish_many refuses one event: those before it were delivered, and none after it is drawn."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    events: list[Any] = [Order(n=0), Order(n=1), Shipped(n=2), Order(n=3)]
    with pytest.raises(TypeError):
        await subject.publish_many(events)
    assert numbers(take_all(subscription)) == [0, 1]
