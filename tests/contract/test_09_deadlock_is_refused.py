"""Guarantee 9: deadlock is refused.

At once where only evenflow's own tasks read and all of them wait for this publish; where anybody else could read, when
everyone who has read has waited longer than `stall_after`. No other publish is refused.
"""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest

from evenflow import Deadlock, EvenflowError, Subject as PlainSubject
from evenflow.streams import share

from .kit import Order, Shipped, Subject, both, fill, group, numbers, publishing, settle, take_all


@both
async def test_the_only_reader_of_a_full_subscription_cannot_publish_into_it() -> None:
    """The only reader of a subscription waits for itself: after `stall_after` publish raises Deadlock, and nobody gets the event."""
    subject = Subject(Order, name="orders")
    subscription = subject.subscribe(Order, buffer=2, name="mine")
    fill(subject, 2)
    await subscription.receive()
    await subject.publish(Order(n=2))
    began = anyio.current_time()
    with anyio.fail_after(6), pytest.raises(Deadlock) as caught:
        await subject.publish(Order(n=3))
    assert anyio.current_time() - began == pytest.approx(5)
    assert isinstance(caught.value, EvenflowError)
    assert "mine" in str(caught.value)
    assert numbers(take_all(subscription)) == [1, 2]
    assert await subject.publish(Order(n=4)) == 1


@pytest.mark.parametrize("way", ["receive", "for", "batches"])
@both
async def test_a_loop_cannot_publish_into_the_full_buffer_it_reads(way: str) -> None:
    """It is refused in a loop over events, over batches, and around receive."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2)
    fill(subject, 2)
    with anyio.fail_after(6), pytest.raises(Deadlock):
        if way == "receive":
            while True:
                event = await subscription.receive()
                await subject.publish_many([event, event])
        elif way == "for":
            async for event in subscription:
                await subject.publish_many([event, event])
        else:
            async for _ in subscription.batches():
                await subject.publish_many([Order(n=n) for n in range(3)])


@both
async def test_a_deadlocked_publish_reached_none() -> None:
    """Deadlock is all or none as well: subscriptions with room do not get the event."""
    subject = Subject(Order)
    free = subject.subscribe(Order)
    own = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    await own.receive()
    await subject.publish(Order(n=1))
    with anyio.fail_after(6), pytest.raises(Deadlock):
        await subject.publish(Order(n=2))
    assert numbers(take_all(free)) == [0, 1]


@pytest.mark.parametrize("slow_start", [0, 0.05, 4.5])
@both
async def test_a_task_that_has_read_may_publish_until_the_one_it_hands_over_to_begins(slow_start: float) -> None:
    """A greeting is read here and the rest by a worker, which begins late: nothing is refused, and nothing is lost."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=4)
    seen: list[int] = []
    await subject.publish(Order(n=0))
    await subscription.receive()

    async def work() -> None:
        await anyio.sleep(slow_start)
        async for event in subscription:
            seen.append(event.n)

    async with group() as tasks:
        tasks.start_soon(work)
        for n in range(1, 20):
            await subject.publish(Order(n=n))
        await settle()
    assert seen == list(range(1, 20))


@pytest.mark.parametrize("stall_after", [0.2, 20.0])
@both
async def test_a_subject_says_how_long_a_reader_may_be_late(stall_after: float) -> None:
    """Where anybody could read a deadlock is refused after `stall_after`, and not before."""
    subject = Subject(Order, stall_after=stall_after)
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    await subscription.receive()
    fill(subject, 1)
    began = anyio.current_time()
    with pytest.raises(Deadlock):
        await subject.publish(Order(n=1))
    assert stall_after <= anyio.current_time() - began + 1e-6 <= stall_after + 0.5


@both
async def test_everyone_in_the_circle_must_have_waited_that_long() -> None:
    """One has waited for six seconds when the other comes to wait for it: that other may still be replaced."""
    orders, parcels = Subject(Order), Subject(Shipped)
    of_orders, of_parcels = orders.subscribe(Order, buffer=1), parcels.subscribe(Shipped, buffer=1)
    fill(orders, 1)
    parcels.publish_nowait(Shipped(n=0))
    refused: list[float] = []

    async def pack(late: float) -> None:
        await of_orders.receive()
        fill(orders, 1)
        await anyio.sleep(late)
        await parcels.publish(Shipped(n=1))

    async def count() -> None:
        await of_parcels.receive()
        parcels.publish_nowait(Shipped(n=0))
        await orders.publish(Order(n=1))

    async def run(task: Any, *arguments: Any) -> None:
        try:
            await task(*arguments)
        except Deadlock:
            refused.append(anyio.current_time() - began)
            await anyio.sleep_forever()

    async with group() as tasks:
        began = anyio.current_time()
        tasks.start_soon(run, pack, 6)
        await settle()
        tasks.start_soon(run, count)
        await anyio.sleep(10.5)
        assert refused == []
        await anyio.sleep(2)
        assert len(refused) == 1


@pytest.mark.parametrize("reads", ["for_each", "for_each of a chain", "two handlers", "batches", "operator", "share"])
@both
async def test_what_only_evenflow_reads_is_refused_at_once(reads: str) -> None:
    """A handler, or a function in a task of evenflow, publishes into the very subscription that it is called for."""
    subject = PlainSubject(Order, stall_after=300)
    subscription = subject.subscribe(Order, buffer=1)
    at: list[float] = []

    async def publish(_: object) -> Any:
        try:
            await subject.publish_many([Order(n=n) for n in range(1, 10)])
        except Deadlock:
            at.append(anyio.current_time() - began)
            await anyio.sleep_forever()

    async def read_shared() -> None:
        async with share(subscription) as shared:
            await shared.subscribe(buffer=1).for_each(publish)

    async def inner(event: Order) -> list[int]:
        await publish(event)
        return []

    ways: dict[str, Any] = {
        "for_each": lambda: subscription.for_each(publish),
        "for_each of a chain": lambda: subscription.map(lambda order: order.n).for_each(publish),
        "two handlers": lambda: subscription.for_each(publish, concurrency=2),
        "batches": lambda: subscription.batches().for_each(publish),
        "operator": lambda: subscription.concat_map(inner).debounce(0).to_list(),
        "share": read_shared,
    }
    async with group() as tasks:
        tasks.start_soon(ways[reads])
        await settle()
        began = anyio.current_time()
        await subject.publish_many([Order(n=0), Order(n=0)])
        await anyio.sleep(200)
        assert at[0] <= 1


@both
async def test_a_handler_that_reads_a_subscription_of_its_own_may_hand_it_over() -> None:
    """The task is evenflow's, and the subscription is not: whoever has it may still read."""
    requests, lines = Subject(Shipped), Subject(Order)
    seen: list[int] = []
    async with group() as workers:

        async def handle(_: Shipped) -> None:
            feed = lines.subscribe(Order, buffer=2)
            await lines.publish(Order(n=0))
            await feed.receive()

            async def work() -> None:
                await anyio.sleep(1)
                async for order in feed:
                    seen.append(order.n)

            workers.start_soon(work)
            for n in range(1, 8):
                await lines.publish(Order(n=n))

        requests.observe(handle, Shipped)
        async with requests:
            await requests.publish(Shipped(n=0))
        await settle()
    assert seen == list(range(1, 8))


@both
async def test_a_task_is_its_own_again_after_a_for_each() -> None:
    """What it reads afterwards by itself, it may hand over."""
    subject = Subject(Order)
    first = subject.subscribe(Order)
    await subject.publish(Order(n=0))

    async def close(_: Order) -> None:
        await first.aclose()

    with pytest.raises(anyio.ClosedResourceError):
        await first.for_each(close)
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    await subscription.receive()
    fill(subject, 1)
    async with group() as tasks:

        async def work() -> None:
            await anyio.sleep(1)
            await subscription.receive()

        tasks.start_soon(work)
        assert await subject.publish(Order(n=1)) == 1


@both
async def test_a_second_worker_of_for_each_makes_room_for_the_first() -> None:
    """With `concurrency=2` one handler waits for room that the next worker makes, which has not begun yet."""
    subject = PlainSubject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    handled: list[int] = []

    async def handle(order: Order) -> None:
        if order.n == 0:
            await subject.publish_many([Order(n=n) for n in range(1, 6)])
            subject.close()
        handled.append(order.n)

    await subject.publish(Order(n=0))
    with anyio.fail_after(60):
        await subscription.for_each(handle, concurrency=2)
    assert sorted(handled) == [0, 1, 2, 3, 4, 5]


@both
async def test_whoever_waits_for_a_circle_is_not_refused_with_it() -> None:
    """One handler of the circle is refused and reads on: the publisher outside, which waits for it, goes on too."""
    subject = Subject(Order)
    refused: list[int] = []

    async def handle(order: Order) -> None:
        if order.n == 0:
            await anyio.sleep(1)
            try:
                await subject.publish_many([Order(n=7), Order(n=8)])
            except Deadlock:
                refused.append(order.n)

    subject.observe(handle, Order, buffer=1)
    async with subject:
        await subject.publish(Order(n=0))
        await settle()
        assert await subject.publish_many([Order(n=1), Order(n=2)]) == 2
    assert refused == [0]


@both
async def test_a_deadlock_through_two_subjects_is_refused() -> None:
    """Each of two tasks reads one full subject and publishes to the other: a publish is refused, with the path."""
    orders, parcels = Subject(Order, name="orders"), Subject(Shipped, name="parcels")
    of_orders = orders.subscribe(Order, buffer=1, name="packer")
    of_parcels = parcels.subscribe(Shipped, buffer=1, name="counter")
    refused: list[Deadlock] = []

    async def pack() -> None:
        async for order in of_orders:
            await parcels.publish_many([Shipped(n=order.n)] * 3)

    async def count() -> None:
        async for shipped in of_parcels:
            try:
                await orders.publish_many([Order(n=shipped.n)] * 3)
            except Deadlock as error:
                refused.append(error)

    async def run(task: Any) -> None:
        try:
            await task()
        except Deadlock as error:
            refused.append(error)

    async with group() as tasks:
        tasks.start_soon(run, pack)
        tasks.start_soon(run, count)
        await settle()
        await orders.publish(Order(n=0))
        await settle()
        with anyio.move_on_after(60):
            while not refused:
                await anyio.sleep(1)
        assert refused, "two tasks wait for each other, and nobody was refused"
        assert "packer" in str(refused[0])
        assert "counter" in str(refused[0])


@both
async def test_a_deadlock_through_three_subjects_is_refused() -> None:
    """Three tasks and three full subjects in a circle: one publish is refused."""
    ring = [Subject(Order, name=f"ring-{n}") for n in range(3)]
    subscriptions = [subject.subscribe(Order, buffer=1) for subject in ring]
    refused: list[Deadlock] = []

    async def forward(number: int) -> None:
        try:
            async for event in subscriptions[number]:
                await ring[(number + 1) % 3].publish_many([event] * 3)
        except Deadlock as error:
            refused.append(error)

    async with group() as tasks:
        for number in range(3):
            tasks.start_soon(forward, number)
        await settle()
        for subject in ring:
            await subject.publish(Order(n=0))
        with anyio.move_on_after(60):
            while not refused:
                await anyio.sleep(1)
    assert refused


@both
async def test_a_publish_that_waits_is_refused_when_the_other_reader_comes_to_wait_for_it() -> None:
    """First another reader could still read; once that one waits for the same publish it is a deadlock."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    refused: list[str] = []
    go = anyio.Event()

    async def read_then_publish(name: str, wait: anyio.Event | None) -> None:
        try:
            await subscription.receive()
            if wait is not None:
                await wait.wait()
            else:
                await anyio.sleep(1)
            await subject.publish(Order(n=100))
            await subject.publish(Order(n=101))
        except Deadlock:
            refused.append(name)
        await anyio.sleep_forever()

    async with group() as tasks:
        tasks.start_soon(read_then_publish, "early", None)
        tasks.start_soon(read_then_publish, "late", go)
        await settle()
        await subject.publish(Order(n=0))
        await settle()
        await subject.publish(Order(n=1))
        await anyio.sleep(5)
        assert refused == [], "the other reader still ran"
        go.set()
        with anyio.move_on_after(60):
            while not refused:
                await anyio.sleep(1)
    assert refused, "both readers wait for room that only they could make"


@both
async def test_a_publish_that_waits_is_refused_when_the_other_reader_has_ended() -> None:
    """First another reader could still read; once that one has ended only the waiting publisher is left."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    refused: list[str] = []
    go = anyio.Event()

    async def read_then_publish() -> None:
        await subscription.receive()
        await anyio.sleep(1)
        try:
            await subject.publish_many([Order(n=100), Order(n=101)])
        except Deadlock:
            refused.append("early")

    async def read_then_end() -> None:
        await subscription.receive()
        await go.wait()

    async with group() as tasks:
        tasks.start_soon(read_then_publish)
        await settle()
        tasks.start_soon(read_then_end)
        await settle()
        await subject.publish(Order(n=0))
        await settle()
        await subject.publish(Order(n=1))
        await anyio.sleep(30)
        assert refused == [], "the other reader still ran"
        go.set()
        await anyio.sleep(30)
    assert refused == ["early"]


@both
async def test_no_deadlock_if_a_busy_worker_will_read_again() -> None:
    """A publisher has read once and a worker is busy: the publish waits until the worker reads again."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    done: list[int] = []

    async def work() -> None:
        async for event in subscription:
            await anyio.sleep(20)
            done.append(event.n)

    async with group() as tasks:
        tasks.start_soon(work)
        await settle()
        await subject.publish(Order(n=0))
        await settle()
        await subject.publish(Order(n=1))
        assert subscription.receive_nowait().n == 1
        for n in (2, 3, 4):
            await subject.publish(Order(n=n))
        await anyio.sleep(200)
    assert done == [0, 2, 3, 4]


@both
async def test_no_deadlock_if_a_subscription_was_handed_over() -> None:
    """A task that read once and then handed the subscription to another task may publish into it and wait."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    taken: list[int] = [(await subscription.receive()).n]

    async def work() -> None:
        async for event in subscription:
            taken.append(event.n)
            await anyio.sleep(1)

    async with group() as tasks:
        tasks.start_soon(work)
        await settle()
        for n in range(1, 10):
            await subject.publish(Order(n=n))
        await anyio.sleep(20)
    assert taken == list(range(10))


@both
async def test_a_task_that_only_makes_an_iterator_is_no_reader() -> None:
    """A task may make an iterator for another task, and publish until the buffer is full before that task has read."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    iterator = aiter(subscription)
    taken: list[int] = []

    async def read_late() -> None:
        await anyio.sleep(1)
        while True:
            taken.append((await anext(iterator)).n)

    async with group() as tasks:
        tasks.start_soon(read_late)
        for n in range(3):
            await subject.publish(Order(n=n))
        await settle()
    assert taken == [0, 1, 2]


@both
async def test_no_deadlock_if_nobody_has_read_yet() -> None:
    """Where nobody has read yet it is a stall, not a deadlock: the reader may still come."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        await anyio.sleep(60)
        assert waiting.waits
        assert (await subscription.receive()).n == 0
        await settle()
        assert waiting.result == 1


@both
async def test_no_deadlock_if_the_last_reader_has_ended() -> None:
    """Where the last reader's task has ended it is a stall: another reader may come."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)

    async def read_once() -> None:
        await subscription.receive()

    async with group() as tasks:
        tasks.start_soon(read_once)
        await settle()
        await subject.publish(Order(n=0))
        await settle()
        await subject.publish(Order(n=1))
        waiting = await publishing(tasks, subject, Order(n=2))
        await anyio.sleep(60)
        assert waiting.waits
        assert (await subscription.receive()).n == 1
        await settle()
        assert waiting.result == 1


@both
async def test_no_deadlock_if_another_task_uses_the_iterator() -> None:
    """A task that made an iterator and does not read may publish and wait."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=4)
    iterator = aiter(subscription)
    taken: list[int] = []

    async def work() -> None:
        while True:
            taken.append((await anext(iterator)).n)
            await anyio.sleep(1)

    fill(subject, 4)
    async with group() as tasks:
        tasks.start_soon(work)
        await settle()
        for n in range(4, 10):
            await subject.publish(Order(n=n))
        await anyio.sleep(20)
    assert taken == list(range(10))


@both
async def test_no_deadlock_if_another_task_publishes_for_the_reader() -> None:
    """A reader that starts tasks which publish does not wait itself, and makes room."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, where=Order.n < 100, buffer=1)
    seen: list[int] = []
    async with anyio.create_task_group() as tasks:
        fill(subject, 1)
        with anyio.fail_after(10):
            async for event in subscription:
                seen.append(event.n)
                if event.n < 10:
                    tasks.start_soon(subject.publish, Order(n=event.n + 1))
                else:
                    break
    assert seen == list(range(11))


@both
async def test_no_deadlock_if_a_second_reader_waits_for_events() -> None:
    """Two tasks read one subscription, and one of them publishes into it: the other makes room."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    taken: list[int] = []

    async def work() -> None:
        async for event in subscription:
            taken.append(event.n)

    fill(subject, 1)
    await subscription.receive()
    async with group() as tasks:
        tasks.start_soon(work)
        await settle()
        for n in range(10):
            await subject.publish(Order(n=n))
        await settle()
    assert taken == list(range(10))


@both
async def test_no_deadlock_if_the_readers_own_subscription_does_not_want_the_event() -> None:
    """A reader may publish an event that its own full subscription does not want."""
    subject = Subject(Order, Shipped)
    own = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    await own.receive()
    await subject.publish(Order(n=1))
    assert await subject.publish(Shipped(n=1)) == 0


@both
async def test_a_handler_cannot_publish_into_its_own_full_buffer() -> None:
    """The handler's publish raises Deadlock, and the program goes on and ends."""
    subject = Subject(Order)
    refused: list[BaseException] = []

    async def handle(order: Order) -> None:
        if order.n == 0:
            try:
                await subject.publish_many([Order(n=n) for n in range(1, 5)])
            except Deadlock as error:
                refused.append(error)

    subject.observe(handle, Order, buffer=1)
    with anyio.fail_after(0.5):
        async with subject:
            await subject.publish(Order(n=0))
            await settle()
    assert len(refused) == 1


@both
async def test_no_deadlock_if_another_handler_of_the_observer_makes_room() -> None:
    """With `concurrency=2` one handler waits for room that the other one makes."""
    subject = Subject(Order)
    handled: list[int] = []

    async def handle(order: Order) -> None:
        if order.n == 0:
            await subject.publish_many([Order(n=n) for n in range(1, 6)])
        handled.append(order.n)

    subject.observe(handle, Order, buffer=1, concurrency=2)
    with anyio.fail_after(60):
        async with subject:
            await subject.publish(Order(n=0))
            await subject.drain()
    assert sorted(handled) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("method", ["drain", "aclose"])
@both
async def test_drain_and_aclose_from_inside_a_handler_are_refused(method: str) -> None:
    """A handler that waits for all handlers would wait for itself: drain and aclose raise Deadlock."""
    subject = Subject(Order)
    refused: list[BaseException] = []

    async def handle(order: Order) -> None:
        try:
            await getattr(subject, method)()
        except Deadlock as error:
            refused.append(error)

    subject.observe(handle, Order)
    with anyio.fail_after(60):
        async with subject:
            await subject.publish(Order(n=0))
            await settle()
    assert len(refused) == 1


@pytest.mark.parametrize("method", ["drain", "aclose"])
@both
async def test_no_deadlock_if_a_task_that_a_handler_started_drains(method: str) -> None:
    """The handler does not wait for that task, and so it ends and the drain with it."""
    subject = Subject(Order)
    drained: list[str] = []

    async def wait() -> None:
        await getattr(subject, method)()
        drained.append(method)

    async with anyio.create_task_group() as outside:

        async def handle(order: Order) -> None:
            outside.start_soon(wait)
            await anyio.sleep(1)

        subject.observe(handle, Order)
        with anyio.fail_after(60):
            async with subject:
                await subject.publish(Order(n=0))
                await anyio.sleep(10)
    assert drained == [method]


@both
async def test_a_stall_is_logged_once_by_name_and_place(caplog: pytest.LogCaptureFixture) -> None:
    """A subscription that holds a publisher longer than `stall_after` is logged once, with name and origin."""
    subject = PlainSubject(Order, stall_after=5.0)
    async with subject.subscribe(Order, buffer=1, name="the-slow-one") as subscription:
        fill(subject, 1)
        with caplog.at_level(logging.DEBUG):
            async with group() as tasks:
                for n in range(1, 4):
                    await publishing(tasks, subject, Order(n=n))
                await anyio.sleep(3)
                assert stalls(caplog, "the-slow-one") == []
                await anyio.sleep(60)
                first = stalls(caplog, "the-slow-one")
                assert len(first) == 1
                assert "test_09_deadlock_is_refused.py" in first[0].getMessage()
                assert first[0].name.startswith("evenflow")
                assert first[0].levelno >= logging.WARNING
                await anyio.sleep(60)
                assert len(stalls(caplog, "the-slow-one")) == 1
        assert subscription.statistics().waiting == 1


@both
async def test_a_stall_is_measured_from_when_its_own_subscription_was_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """That other subscriptions get room meanwhile does not make its clock start again, and they are not logged."""
    subject = Subject(Order, stall_after=5.0)
    subject.subscribe(Order, buffer=1, name="stalling")
    others = [subject.subscribe(Order, buffer=1, name=f"reading {n}") for n in range(3)]
    fill(subject, 1)
    with caplog.at_level(logging.DEBUG):
        async with group() as tasks:
            await publishing(tasks, subject, Order(n=1))
            for other in others:
                await anyio.sleep(1.4)
                await other.receive()
            await anyio.sleep(0.5)
            assert stalls(caplog, "stalling") == []
            await anyio.sleep(1)
            assert len(stalls(caplog, "stalling")) == 1
            await anyio.sleep(60)
    assert [record.getMessage().split(",")[0] for record in caplog.records] == ["stalling"]


@both
async def test_a_wait_shorter_than_stall_after_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Waits shorter than `stall_after` are not logged, however many there are."""
    subject = Subject(Order, stall_after=5.0)
    subscription = subject.subscribe(Order, buffer=1, name="busy")
    fill(subject, 1)
    with caplog.at_level(logging.DEBUG):
        async with group() as tasks:
            for n in range(1, 8):
                waiting = await publishing(tasks, subject, Order(n=n))
                await anyio.sleep(3)
                await subscription.receive()
                await settle()
                assert waiting.ended
    assert stalls(caplog, "busy") == []


def stalls(caplog: pytest.LogCaptureFixture, name: str) -> list[logging.LogRecord]:
    """The log records about this subscription."""
    return [record for record in caplog.records if name in record.getMessage() and record.name.startswith("evenflow")]


@pytest.mark.parametrize("way", ["async for", "receive", "receive_nowait"])
@both
async def test_no_deadlock_if_another_task_has_only_read_what_was_there(way: str) -> None:
    """A task that never had to wait for an event is a reader too: it will make room."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=3)
    taken: list[int] = []
    may_go_on = anyio.Event()

    async def read_on() -> None:
        if way == "async for":
            async for order in subscription:
                taken.append(order.n)
                await may_go_on.wait()
        while way == "receive":
            taken.append((await subscription.receive()).n)
            await may_go_on.wait()
        taken.append(subscription.receive_nowait().n)
        await may_go_on.wait()
        take_all(subscription)

    fill(subject, 3)
    async with group() as tasks:
        assert (await subscription.receive()).n == 0
        tasks.start_soon(read_on)
        await settle()
        assert taken == [1]
        fill(subject, 2, start=3)
        tasks.start_soon(_set_later, may_go_on)
        with anyio.fail_after(10):
            assert await subject.publish(Order(n=5)) == 1


async def _set_later(event: anyio.Event) -> None:
    await anyio.sleep(1)
    event.set()
