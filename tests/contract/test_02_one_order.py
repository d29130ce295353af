"""Guarantee 2: one order. All subscribers of a subject see its events in one order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from .kit import BigOrder, Order, Shipped, Subject, Tick, both, group, numbers, publishing, settle, take_all, turn

if TYPE_CHECKING:
    from evenflow import Subscription


@both
async def test_all_subscribers_see_one_order_of_many_publishers() -> None:
    """Ten publishers, and readers of different speed and wants: two readers get the events of both in one order."""
    subject = Subject(Order, BigOrder)
    seen: dict[str, list[int]] = {"fast": [], "slow": [], "odd": [], "big": []}

    async def read(name: str, pause: int) -> None:
        where = (lambda event: event.n % 2 == 1) if name == "odd" else None
        wants = (BigOrder,) if name == "big" else ()
        async with subject.subscribe(*wants, where=where, buffer=3) as subscription:
            async for event in subscription:
                seen[name].append(event.n)
                await turn(pause)

    async def publish(publisher: int) -> None:
        for n in range(20):
            kind = BigOrder if n % 3 == 0 else Order
            await subject.publish(kind(n=publisher * 100 + n))
            await turn(publisher % 3)

    async with anyio.create_task_group() as readers:
        for pause, name in enumerate(seen):
            readers.start_soon(read, name, pause)
        await settle()
        async with anyio.create_task_group() as publishers:
            for publisher in range(10):
                publishers.start_soon(publish, publisher)
        subject.close()
    assert len(seen["fast"]) == 200
    assert seen["slow"] == seen["fast"]
    assert seen["odd"] == [n for n in seen["fast"] if n % 2 == 1]
    assert seen["big"] == [n for n in seen["fast"] if n % 100 % 3 == 0]
    for publisher in range(10):
        own = [n for n in seen["fast"] if n // 100 == publisher]
        assert own == sorted(own)


@both
async def test_events_of_one_task_arrive_in_the_order_in_which_it_published_them() -> None:
    """It does not matter whether the task used publish, publish_nowait or publish_many."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    await subject.publish(Order(n=0))
    subject.publish_nowait(Order(n=1))
    await subject.publish_many(Order(n=n) for n in (2, 3, 4))
    await subject.publish(Order(n=5))
    assert numbers(take_all(subscription)) == [0, 1, 2, 3, 4, 5]


@both
async def test_an_event_that_overtakes_a_waiting_publish_comes_first_for_everybody() -> None:
    """One publish waits and another overtakes it: all who want both events get them in that order."""
    subject = Subject(Order, Shipped)
    full = subject.subscribe(Order, buffer=1)
    everything = [subject.subscribe() for _ in range(3)]
    await subject.publish(Order(n=0))
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        await subject.publish(Shipped(n=2))
        await full.receive()
        await settle()
        assert waiting.result == 4
    for subscription in everything:
        assert numbers(take_all(subscription)) == [0, 2, 1]


@both
async def test_a_conflated_event_stands_in_the_place_of_the_one_it_replaced() -> None:
    """Replacing keeps the place: the newest event of a key is received where the oldest one waited."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol)
    for symbol, price in (("a", 1), ("b", 1), ("c", 1), ("b", 2), ("a", 2), ("a", 3)):
        await subject.publish(Tick(symbol=symbol, price=price))
    assert [(tick.symbol, tick.price) for tick in take_all(subscription)] == [("a", 3), ("b", 2), ("c", 1)]


@both
async def test_an_event_published_in_answer_comes_after_the_event_it_answers() -> None:
    """What a reader publishes after it has received an event comes after that event for every subscriber."""
    subject = Subject(Order)
    witness = subject.subscribe(Order)
    reader = subject.subscribe(Order)
    await subject.publish(Order(n=0))
    for _ in range(10):
        event = await reader.receive()
        await subject.publish(Order(n=event.n + 1))
    assert numbers(take_all(witness)) == list(range(11))


@pytest.mark.parametrize("size", [1, 3, 64])
@pytest.mark.parametrize("cancel_after", range(4))
@pytest.mark.parametrize("many", [1, 300])
@both
async def test_publish_many_keeps_its_order_where_a_reader_that_was_woken_is_cancelled(
    many: int, cancel_after: int, size: int
) -> None:
    """With many subscriptions not all wake-ups fire in one turn: a reader is cancelled before, in or after its own."""
    subject = Subject(Order)
    subscriptions = [subject.subscribe(Order, buffer=size) for _ in range(many)]
    last = subscriptions[-1]
    had: list[int] = []
    scope = anyio.CancelScope()

    async def read(subscription: Subscription[Order]) -> None:
        async for order in subscription:
            if subscription is last:
                had.append(order.n)

    async def is_cancelled() -> None:
        with scope:
            had.append((await last.receive()).n)

    async def publish() -> None:
        await subject.publish_many([Order(n=n) for n in range(6)])
        await subject.publish_many(Order(n=n) for n in range(6, 9))

    async with group() as tasks:
        tasks.start_soon(is_cancelled)
        await settle()
        for subscription in subscriptions:
            tasks.start_soon(read, subscription)
        await settle()
        tasks.start_soon(publish)
        await turn(cancel_after)
        scope.cancel()
        await settle()
        assert had == list(range(9))
    assert last.statistics().delivered == 9
