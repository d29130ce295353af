"""Guarantee 9, where the task that reads a subscription is an operator's, and waits for whoever takes what it has read.

At once where only evenflow's own tasks can take it; where anybody else could, when all that have read have waited longer
than `stall_after`. No other publish is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from evenflow import Deadlock, Subject as PlainSubject
from evenflow.streams import Stream, share, stream, timer

from .kit import Order, Shipped, Subject, both, fill, group, publishing, settle

Publish = Callable[[object], Any]


def key_of(order: Order) -> int:
    return order.n


def one(order: Order) -> list[Order]:
    return [order]


def never() -> Stream[Any]:
    return timer(100_000)


class Refused:
    """A function that publishes twenty events, and keeps when and why that was refused."""

    def __init__(self, subject: PlainSubject[Any]) -> None:
        self.subject = subject
        self.at: list[float] = []
        self.paths: list[tuple[str, ...]] = []

    async def publish(self, _: object) -> None:
        """Publish into the subject; once refused, wait for ever."""
        try:
            await self.subject.publish_many([Order(n=n) for n in range(1, 20)])
        except Deadlock as refusal:
            await self.note(refusal)

    async def note(self, refusal: Deadlock) -> None:
        """Keep it, and wait for ever."""
        self.at.append(anyio.current_time())
        self.paths.append(refusal.path)
        await anyio.sleep_forever()

    async def inner(self, order: Order) -> list[Order]:
        """Publish, as a function that makes a stream of an event."""
        await self.publish(order)
        return [order]


async def read(chain: Stream[Any], publish: Publish) -> None:
    """Read a chain as a user does."""
    async with chain as events:
        async for event in events:
            await publish(event)


async def read_shared(chain: Stream[Any], by: Refused) -> None:
    """Of the circle, the publish of `share` may be the one that is refused: its subscribers get that."""
    try:
        async with share(chain) as shared:
            await shared.subscribe(buffer=1).for_each(by.publish)
    except Deadlock as refusal:
        await by.note(refusal)


WAYS: dict[str, Callable[[Stream[Any], Refused], Any]] = {
    "merge": lambda feed, by: feed.merge(never()).for_each(by.publish),
    "merge, two handlers": lambda feed, by: feed.merge(never()).for_each(by.publish, concurrency=2),
    "combine_latest": lambda feed, by: feed.combine_latest([1]).for_each(by.publish),
    "zip": lambda feed, by: feed.zip(range(99)).for_each(by.publish),
    "map": lambda feed, by: feed.map(by.publish, concurrency=2).to_list(),
    "map before the handler": lambda feed, by: feed.map(key_of, concurrency=2).for_each(by.publish),
    "flat_map": lambda feed, by: feed.flat_map(by.inner, concurrency=2).to_list(),
    "flat_map before the handler": lambda feed, by: feed.flat_map(one, concurrency=2).for_each(by.publish),
    "flat_map without a limit": lambda feed, by: feed.flat_map(one).for_each(by.publish),
    "switch_map": lambda feed, by: feed.switch_map(one).for_each(by.publish),
    "exhaust_map": lambda feed, by: feed.exhaust_map(one).for_each(by.publish),
    "batches": lambda feed, by: feed.batches(2, within=0.1).for_each(by.publish),
    "group_by": lambda feed, by: feed.group_by(key_of).flat_map(lambda group: group[1]).for_each(by.publish),
    "merge, then map": lambda feed, by: feed.merge(never()).map(by.publish, concurrency=2).to_list(),
    "merge, then batches": lambda feed, by: feed.merge(never()).batches(2, within=0.1).for_each(by.publish),
    "merge inside flat_map": lambda feed, by: feed.flat_map(
        lambda order: stream([order]).merge([order]), concurrency=1
    ).for_each(by.publish),
    "retry around merge": lambda feed, by: feed.merge(never()).retry(2).for_each(by.publish),
    "share": lambda feed, by: read_shared(feed.merge(never()), by),
}


@pytest.mark.parametrize("way", WAYS)
@both
async def test_what_an_operator_reads_ahead_is_refused_at_once(way: str) -> None:
    """A function of evenflow publishes into the subscription at the head of its own chain."""
    subject = PlainSubject(Order, stall_after=300)
    refused = Refused(subject)
    feed = subject.subscribe(Order, buffer=1, name="feed")
    async with group() as tasks:
        tasks.start_soon(WAYS[way], feed, refused)
        await settle()
        began = anyio.current_time()
        tasks.start_soon(subject.publish_many, [Order(n=n) for n in range(4)])
        await anyio.sleep(200)
        assert refused.at[0] - began <= 1
        path = refused.paths[0]
        assert "feed is full and is read by task 'evenflow operator'" in path
        assert any("task 'evenflow operator' hands what it has read to task '" in step for step in path)


@both
async def test_delay_hands_on_once_it_holds_as_many_as_it_may() -> None:
    """It reads ahead further than any other operator."""
    subject = PlainSubject(Order, stall_after=300)
    feed = subject.subscribe(Order, buffer=1)
    at: list[float] = []

    async def publish(_: Order) -> None:
        try:
            await subject.publish_many([Order(n=n) for n in range(2_000)])
        except Deadlock:
            at.append(anyio.current_time())
            await anyio.sleep_forever()

    async with group() as tasks:
        tasks.start_soon(feed.delay(0.3).for_each, publish)
        await settle()
        began = anyio.current_time()
        await subject.publish(Order(n=0))
        await anyio.sleep(100)
        assert at[0] - began <= 2


@pytest.mark.parametrize("way", ["merge", "merge, then batches", "flat_map"])
@both
async def test_a_loop_over_a_chain_is_refused_after_a_while(way: str) -> None:
    """The task is the user's, and may hand the chain to another yet: `stall_after`, and not before."""
    subject = PlainSubject(Order, stall_after=5)
    feed = subject.subscribe(Order, buffer=1)
    chains: dict[str, Callable[[], Stream[Any]]] = {
        "merge": lambda: feed.merge(never()),
        "merge, then batches": lambda: feed.merge(never()).batches(1, within=0.1),
        "flat_map": lambda: feed.flat_map(one, concurrency=2),
    }
    refused = Refused(subject)
    async with group() as tasks:
        tasks.start_soon(read, chains[way](), refused.publish)
        await settle()
        began = anyio.current_time()
        await subject.publish(Order(n=0))
        await anyio.sleep(200)
        assert 5 <= refused.at[0] - began + 1e-6 <= 6


@both
async def test_a_circle_through_two_subjects_and_two_operators_is_refused() -> None:
    """Each of two handlers reads one subject through an operator, and publishes to the other."""
    orders, parcels = PlainSubject(Order, stall_after=300), PlainSubject(Shipped, stall_after=300)
    of_orders = orders.subscribe(Order, buffer=1, name="packer")
    of_parcels = parcels.subscribe(Shipped, buffer=1, name="counter")
    refused: list[Deadlock] = []

    async def pack(order: Order) -> None:
        try:
            await parcels.publish_many([Shipped(n=order.n)] * 5)
        except Deadlock as error:
            refused.append(error)

    async def count(batch: tuple[Shipped, ...]) -> None:
        try:
            await orders.publish_many([Order(n=batch[0].n)] * 5)
        except Deadlock as error:
            refused.append(error)

    async with group() as tasks:
        tasks.start_soon(of_orders.merge(never()).for_each, pack)
        tasks.start_soon(of_parcels.batches(1, within=10).for_each, count)
        await settle()
        await orders.publish(Order(n=0))
        await anyio.sleep(2)
    assert "packer" in str(refused[0])
    assert "counter" in str(refused[0])


# ---------------------------------------------------------------------- what only looks like a deadlock


@both
async def test_a_handler_that_is_slow_is_waited_for() -> None:
    """It does not wait in a publish."""
    subject = PlainSubject(Order, stall_after=1)
    feed = subject.subscribe(Order, buffer=1)
    go = anyio.Event()
    async with group() as tasks:

        async def handle(order: Order) -> None:
            if order.n == 0:
                await go.wait()

        tasks.start_soon(feed.merge(never()).for_each, handle)
        await settle()
        fill(subject, 1)
        await settle()
        fill(subject, 1, start=1)
        await settle()
        fill(subject, 1, start=2)
        waiting = await publishing(tasks, subject, Order(n=3))
        await anyio.sleep(60)
        assert waiting.waits
        go.set()
        await settle()
        assert waiting.result == 1


@pytest.mark.parametrize("operator", ["flat_map", "for_each"])
@both
async def test_another_event_in_work_makes_room(operator: str) -> None:
    """One function publishes and waits; the other is slow, and the source is read on when it has ended."""
    subject = PlainSubject(Order, stall_after=1)
    feed = subject.subscribe(Order, buffer=1)
    done: list[int] = []

    async def work(order: Order) -> list[int]:
        if order.n == 0:
            await subject.publish_many([Order(n=n) for n in range(1, 5)])
        elif order.n == 1:
            await anyio.sleep(20)
        done.append(order.n)
        return []

    ways: dict[str, Callable[[], Any]] = {
        "flat_map": lambda: feed.flat_map(work, concurrency=2).to_list(),
        "for_each": lambda: feed.merge(never()).for_each(work, concurrency=2),
    }
    async with group() as tasks:
        tasks.start_soon(ways[operator])
        await settle()
        await subject.publish(Order(n=0))
        await anyio.sleep(100)
    assert sorted(done) == list(range(5))


@both
async def test_an_event_that_the_full_subscription_does_not_want_passes() -> None:
    """The handler publishes into another subscription of the same subject, which has room."""
    subject = PlainSubject(Order, stall_after=1)
    feed, other = subject.subscribe(where=Order.n < 10, buffer=1), subject.subscribe(where=Order.n >= 10)
    seen: list[int] = []

    async def handle(order: Order) -> None:
        await anyio.sleep(1)
        await subject.publish(Order(n=order.n + 10))
        seen.append(order.n)

    async with group() as tasks, other:
        tasks.start_soon(feed.merge(never()).for_each, handle)
        await settle()
        for n in range(5):
            await subject.publish(Order(n=n))
        await anyio.sleep(20)
    assert seen == list(range(5))


@pytest.mark.parametrize("slow_start", [0, 4.5])
@both
async def test_a_chain_may_be_handed_to_another_task(slow_start: float) -> None:
    """A greeting is read here, and the rest by a worker, which begins late."""
    subject = PlainSubject(Order, stall_after=5)
    feed = subject.subscribe(Order, buffer=1)
    seen: list[int] = []
    async with group() as tasks, feed.merge(never()) as chain:
        await subject.publish(Order(n=0))
        await chain.receive()

        async def work() -> None:
            await anyio.sleep(slow_start)
            async for order in chain:
                seen.append(order.n)

        tasks.start_soon(work)
        for n in range(1, 8):
            await subject.publish(Order(n=n))
        await settle()
        tasks.cancel_scope.cancel()
    assert seen == list(range(1, 8))


@both
async def test_a_worker_that_has_read_is_waited_for_however_long_it_takes() -> None:
    """Two tasks read one chain by turns: one publishes, the other reads again after a while."""
    subject = PlainSubject(Order, stall_after=0.5)
    feed = subject.subscribe(Order, buffer=1)
    seen: list[int] = []
    async with group() as tasks, feed.merge(never()) as chain:
        fill(subject, 1)

        async def work() -> None:
            while True:
                seen.append((await chain.receive()).n)
                await anyio.sleep(10)

        tasks.start_soon(work)
        await settle()
        await subject.publish(Order(n=1))
        assert (await chain.receive()).n == 1
        for n in range(2, 7):
            await subject.publish(Order(n=n))
        await anyio.sleep(100)
        tasks.cancel_scope.cancel()
    assert seen == [0, *range(2, 7)]


@both
async def test_a_handler_may_hand_over_a_chain_of_its_own() -> None:
    """The task that has read is evenflow's, and the chain is not: it counts after a while only."""
    requests, lines = Subject(Shipped), Subject(Order)
    seen: list[int] = []
    async with group() as workers:

        async def handle(_: Shipped) -> None:
            async with lines.subscribe(Order, buffer=1).merge(never()) as feed:
                await lines.publish(Order(n=0))
                await feed.receive()

                async def work() -> None:
                    await anyio.sleep(1)
                    async for order in feed:
                        seen.append(order.n)

                workers.start_soon(work)
                for n in range(1, 8):
                    await lines.publish(Order(n=n))
                await settle()
                workers.cancel_scope.cancel()

        requests.observe(handle, Shipped)
        async with requests:
            await requests.publish(Shipped(n=0))
    assert seen == list(range(1, 8))


@both
async def test_a_chain_that_nobody_has_read_yet_is_a_stall() -> None:
    """Its tasks have read ahead, and somebody may come."""
    subject = PlainSubject(Order, stall_after=1)
    feed = subject.subscribe(Order, buffer=1)
    async with group() as tasks, feed.merge(never()) as chain:
        fill(subject, 1)
        await settle()
        fill(subject, 1, start=1)
        waiting = await publishing(tasks, subject, Order(n=2))
        await anyio.sleep(60)
        assert waiting.waits
        assert (await chain.receive()).n == 0
        await settle()
        assert waiting.result == 1
        tasks.cancel_scope.cancel()


@both
async def test_a_chain_that_is_being_closed_holds_nobody() -> None:
    """Its task was cancelled and has not run since: it hands nothing on any more, and the subscription ends with it."""
    subject = PlainSubject(Order, stall_after=300)
    chain = subject.subscribe(Order, buffer=1).merge(never())
    results: list[object] = []
    async with group() as tasks:

        async def close() -> None:
            closing.set()
            await chain.aclose()

        async def handle(order: Order) -> None:
            if order.n:
                return
            fill(subject, 1, start=1)
            await settle()
            fill(subject, 1, start=2)
            tasks.start_soon(close)
            await closing.wait()
            try:
                results.append(await subject.publish(Order(n=3)))
            except Deadlock as refusal:
                results.append(refusal)

        async def run() -> None:
            with pytest.raises(anyio.ClosedResourceError):
                await chain.for_each(handle)

        closing = anyio.Event()
        tasks.start_soon(run)
        await settle()
        fill(subject, 1)
        await anyio.sleep(10)
    assert results == [0]
