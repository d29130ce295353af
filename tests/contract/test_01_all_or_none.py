"""Guarantee 1: all or none. A publish happens in one instant; before it nobody has the event, after it everybody."""

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
async def test_a_publish_cancelled_at_one_of_a_hundred_full_subscriptions_reached_none() -> None:
    """Cancelling a publish that waits for one full subscription leaves the ninety-nine others without it."""
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
async def test_while_a_publish_waits_nobody_has_the_event() -> None:
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
    """A publish that `fail_after` ends was not delivered anywhere."""
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
async def test_in_a_cancelled_scope_nobody_gets_it() -> None:
    """A publish in a scope that is cancelled already raises, even where there is room for everybody."""
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
async def test_a_task_in_a_cancelled_scope_is_told_from_one_that_publishes_all_the_time() -> None:
    """Two tasks publish in turns, the second one in a cancelled scope: of its events nobody gets any."""
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
async def test_in_a_cancelled_scope_publish_many_places_nothing() -> None:
    """publish_many in a cancelled scope raises before its first event is placed."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await subject.publish_many([Order(n=0), Order(n=1)])
    assert scope.cancelled_caught
    assert take_all(subscription) == []


@both
async def test_publish_nowait_that_would_block_reached_none() -> None:
    """WouldBlock from publish_nowait means that nobody got it."""
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
    """A publish that waits for one subscription drops nothing at another, and disconnects nobody, until it happens."""
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
async def test_readers_that_made_room_meanwhile_drop_nothing() -> None:
    """What a drop_oldest subscription gives up is decided when the publish happens, not when it began to wait."""
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
    ids=["all", "found", "asked", "callable"],
)
@both
async def test_a_newcomer_gets_the_event_of_a_publish_that_waits(where: Any) -> None:
    """A subscription made while a publish waits is active when it happens, and gets the event if it wants it."""
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
async def test_a_newcomer_that_is_full_is_waited_for_too() -> None:
    """A newcomer that others filled while a publish waited holds that publish, all or none."""
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
async def test_who_left_while_a_publish_waited_is_not_counted() -> None:
    """The result counts the subscriptions of the instant: one that was closed during the wait is not among them."""
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
    """A publish that waited for a subscription which is then closed reaches all the others at once."""
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
@pytest.mark.parametrize("where", [None, Order.n >= 0], ids=["all", "chosen"])
@both
async def test_nothing_runs_between_the_instant_and_the_return(buffer: int, where: Any) -> None:
    """When a publish happens it returns: no reader is given an event whose publish has not returned yet."""
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
async def test_a_task_cancelled_in_the_tick_in_which_room_comes_free_publishes_all_or_nothing() -> None:
    """`task.cancel()` in the tick in which a waiting publish could go on: everybody has the event, or nobody."""
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
async def test_a_where_that_raises_in_the_middle_of_a_fan_out_tears_nothing() -> None:
    """One `where` that raises ends its own subscription: all the others have the event, before and after it."""
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
async def test_a_conflate_that_raises_in_the_middle_of_a_fan_out_tears_nothing() -> None:
    """One `conflate` that raises ends its own subscription: all the others have the event."""
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
async def test_where_and_conflate_run_once_for_an_event_however_long_it_waits() -> None:
    """A publish that waits through many changes asks `where` and `conflate` of each subscription once."""
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
    """Keeps a subscription whose `where` is its own method: a cycle that only the collector ends."""

    def __init__(self, subject: PlainSubject[Order]) -> None:
        self.subscription = subject.subscribe(Order, where=self.wants)

    def wants(self, event: Order) -> bool:
        """Everything."""
        return event.n >= 0


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@both
async def test_a_garbage_collection_in_the_middle_of_a_fan_out_tears_nothing() -> None:
    """A collection that finds abandoned subscriptions while a publish goes round acts before or after it, never within."""
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
@pytest.mark.parametrize("way", ["publish", "nowait", "many", "choosy"])
@both
async def test_a_destructor_that_meddles_in_the_middle_of_a_fan_out_acts_before_or_after_it(
    what: str, way: str
) -> None:
    """Whatever a destructor does while an event is given to everybody: all of them have it, in one order, or none."""
    where = Order.n >= 0 if way == "choosy" else None
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
        gc.set_threshold(gc.get_count()[0] + after, 1_000, 1_000)  # that many things are made, then it collects
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
            outcomes.add("within" if meddled else "not within")
            gc.set_threshold(*threshold)
        had = [[n for n in numbers(take_all(reader)) if n != 100] for reader in readers]
        assert had in ([[]] * 10, [[1]] * 10, [[1, 1]] * 10), f"torn: {had}"
        gc.collect(1)  # whose destructor has not run yet
        for reader in [*readers, *kept]:
            balanced(reader)
            await reader.aclose()
    assert "within" in outcomes


class Littering:
    """A key whose hash and equality collect garbage: the worst moment for it."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __hash__(self) -> int:
        gc.collect()
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        gc.collect()
        return isinstance(other, Littering) and other.value == self.value


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@both
async def test_a_garbage_collection_while_keys_are_compared_tears_nothing() -> None:
    """A collection inside a key's hash or equality, with abandoned subscriptions about, tears no publish."""
    gc.disable()
    try:
        subject = PlainSubject(Order)
        keyed = [subject.subscribe(Order, conflate=lambda event: Littering(event.n % 2), buffer=2) for _ in range(3)]
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
async def test_a_refused_event_in_publish_many_leaves_what_went_before() -> None:
    """publish_many refused half-way: what went before stays, what comes after is not drawn, the bad one reached none."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    events: list[Any] = [Order(n=0), Order(n=1), Shipped(n=2), Order(n=3)]
    with pytest.raises(TypeError):
        await subject.publish_many(events)
    assert numbers(take_all(subscription)) == [0, 1]
