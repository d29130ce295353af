"""Guarantee 6: every event is accounted for: wanted == delivered + replaced + dropped + discarded + waiting."""

from __future__ import annotations

import random
from typing import Any

import anyio
import pytest

from evenflow import SlowSubscriber

from .kit import Order, Subject, Tick, balanced, both, fill, take_all, turn


def ledger(subscription: Any) -> tuple[int, ...]:
    """wanted, delivered, replaced, dropped, discarded, waiting."""
    s = subscription.statistics()
    return (s.wanted, s.delivered, s.replaced, s.dropped, s.discarded, s.waiting)


@both
async def test_delivered_counts_each_event_that_a_reader_received() -> None:
    """However an event is received, it is counted once."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 10)
    assert ledger(subscription) == (10, 0, 0, 0, 0, 10)
    await subscription.receive()
    assert ledger(subscription) == (10, 1, 0, 0, 0, 9)
    subscription.receive_nowait()
    assert ledger(subscription) == (10, 2, 0, 0, 0, 8)
    await anext(aiter(subscription))
    assert ledger(subscription) == (10, 3, 0, 0, 0, 7)
    assert len(await anext(aiter(subscription.batches()))) == 7
    assert ledger(subscription) == (10, 10, 0, 0, 0, 0)


@both
async def test_dropped_counts_what_drop_oldest_drops() -> None:
    """Five events into a buffer of two: three were dropped."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow="drop_oldest")
    fill(subject, 5)
    assert ledger(subscription) == (5, 0, 0, 3, 0, 2)


@both
async def test_dropped_counts_what_drop_newest_drops() -> None:
    """Five events into a buffer of two: three were dropped, and all five were wanted."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow="drop_newest")
    fill(subject, 5)
    assert ledger(subscription) == (5, 0, 0, 3, 0, 2)


@both
async def test_a_disconnected_subscription_is_accounted_for() -> None:
    """The event that disconnected it counts as dropped; its buffer is waiting, and is delivered when it is read."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow="disconnect")
    fill(subject, 5)
    balanced(subscription)
    assert subscription.statistics().waiting == 2
    assert subscription.statistics().dropped >= 1
    for _ in range(2):
        await subscription.receive()
        balanced(subscription)
    with pytest.raises(SlowSubscriber):
        await subscription.receive()
    assert subscription.statistics().delivered == 2
    balanced(subscription)


@both
async def test_replaced_counts_events_that_a_newer_one_replaced() -> None:
    """Six ticks of two keys: four were replaced."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol)
    for price in range(3):
        for symbol in "ab":
            await subject.publish(Tick(symbol=symbol, price=price))
    assert ledger(subscription) == (6, 0, 4, 0, 0, 2)


@both
async def test_discarded_counts_what_was_waiting_when_the_subscription_was_closed() -> None:
    """Closing a subscription with three events waiting discards three, and the sum still holds."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 5)
    take_all(subscription)
    fill(subject, 3)
    await subscription.aclose()
    assert ledger(subscription) == (8, 5, 0, 0, 3, 0)
    fill(subject, 3)
    assert ledger(subscription) == (8, 5, 0, 0, 3, 0)


@both
async def test_leaving_the_block_discards_what_is_left() -> None:
    """Leaving `async with` closes the subscription: events that were not read are discarded."""
    subject = Subject(Order)
    async with subject.subscribe(Order) as subscription:
        fill(subject, 5)
        async for _ in subscription:
            break
    assert ledger(subscription) == (5, 1, 0, 0, 4, 0)


@both
async def test_an_unwanted_event_is_not_counted() -> None:
    """A subscription does not count events that it does not want."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, where=Order.n > 2)
    fill(subject, 5)
    assert ledger(subscription) == (2, 0, 0, 0, 0, 2)


@both
async def test_a_publish_that_did_not_happen_is_not_counted() -> None:
    """A publish that timed out or would block is counted by no subscription."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    free = subject.subscribe(Order)
    fill(subject, 1)
    with pytest.raises(anyio.WouldBlock):
        subject.publish_nowait(Order(n=1))
    with anyio.move_on_after(1):
        await subject.publish(Order(n=1))
    assert ledger(full) == (1, 0, 0, 0, 0, 1)
    assert ledger(free) == (1, 0, 0, 0, 0, 1)


@both
async def test_replay_is_wanted_and_waiting() -> None:
    """Replayed events count in `wanted` and `waiting`, and in `delivered` once they were read."""
    subject = Subject(Order, replay=4)
    fill(subject, 6)
    subscription = subject.subscribe(Order)
    assert ledger(subscription) == (4, 0, 0, 0, 0, 4)
    await subscription.receive()
    fill(subject, 1, 6)
    assert ledger(subscription) == (5, 1, 0, 0, 0, 4)
    await subscription.aclose()
    assert ledger(subscription) == (5, 1, 0, 0, 4, 0)


@pytest.mark.parametrize("error", [None, ValueError("over")])
@both
async def test_the_sum_holds_after_the_subject_was_closed(error: Exception | None) -> None:
    """After close the buffer still counts as waiting, and as delivered once it was read."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 3)
    subject.close(error)
    assert ledger(subscription) == (3, 0, 0, 0, 0, 3)
    take = [subscription.receive_nowait() for _ in range(3)]
    assert len(take) == 3
    assert ledger(subscription) == (3, 3, 0, 0, 0, 0)


@both
async def test_gaps_are_not_counted() -> None:
    """Receiving a Gap changes no count."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow="drop_oldest", gaps=True)
    fill(subject, 5)
    assert ledger(subscription) == (5, 0, 0, 3, 0, 2)
    await subscription.receive()
    assert ledger(subscription) == (5, 0, 0, 3, 0, 2)
    assert len(take_all(subscription)) == 2
    assert ledger(subscription) == (5, 2, 0, 3, 0, 0)


@pytest.mark.parametrize("seed", range(10))
@both
async def test_the_sum_holds_after_every_step_of_a_random_program(seed: int) -> None:
    """Subscriptions are made, published to, read and closed in random order: the sum holds after every step."""
    dice = random.Random(seed)
    subject = Subject(Order, replay=dice.choice([0, 3]))
    subscriptions: list[Any] = []
    for _ in range(400):
        step = dice.randrange(6)
        if step == 0 and len(subscriptions) < 20:
            policy = dice.choice(["drop_oldest", "drop_newest", "disconnect"])
            conflate = dice.choice([None, Order.region])
            gaps = dice.random() < 0.5
            buffer = dice.randint(1, 4)
            subscriptions.append(subject.subscribe(overflow=policy, conflate=conflate, gaps=gaps, buffer=buffer))
        elif step == 1 and subscriptions:
            await dice.choice(subscriptions).aclose()
        elif step in (2, 3) and subscriptions:
            try:
                dice.choice(subscriptions).receive_nowait()
            except (anyio.WouldBlock, anyio.EndOfStream, anyio.ClosedResourceError, SlowSubscriber):
                await turn()
        else:
            await subject.publish(Order(n=step, region=dice.choice("abc")))
        for subscription in subscriptions:
            balanced(subscription)


@both
async def test_the_sum_holds_with_many_readers_and_waiting_publishers() -> None:
    """While ten publishers wait and three readers receive, the sum holds at every turn of the loop."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2)

    async def publish(start: int) -> None:
        for n in range(20):
            await subject.publish(Order(n=start + n))

    async def read() -> None:
        async for _ in subscription:
            await turn()

    async def watch() -> None:
        while True:
            balanced(subscription)
            await turn()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        async with anyio.create_task_group() as readers:
            for _ in range(3):
                readers.start_soon(read)
            async with anyio.create_task_group() as publishers:
                for start in range(10):
                    publishers.start_soon(publish, start * 100)
            subject.close()
        tasks.cancel_scope.cancel()
    assert ledger(subscription) == (200, 200, 0, 0, 0, 0)
