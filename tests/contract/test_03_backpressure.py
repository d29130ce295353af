"""Guarantee 3: backpressure where it is due. Publishers wait in order, nobody starves, unrelated events pass by."""

from __future__ import annotations

import anyio
import pytest

from evenflow import SubjectClosed

from .kit import (
    Order,
    Publishing,
    Shipped,
    Subject,
    Tick,
    both,
    fill,
    group,
    numbers,
    publishing,
    settle,
    take_all,
    turn,
)


@both
async def test_a_publish_waits_while_a_full_block_subscription_wants_it() -> None:
    """A publish waits while the buffer is full, and goes on as soon as one event was taken."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=3)
    fill(subject, 3)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=3))
        assert waiting.waits
        assert (await subscription.receive()).n == 0
        await settle()
        assert waiting.result == 1
    assert numbers(take_all(subscription)) == [1, 2, 3]


@both
async def test_an_event_that_the_full_subscription_does_not_want_passes_by() -> None:
    """A publish waits only for subscriptions that want its event: other types and values are delivered meanwhile."""
    subject = Subject(Order, Shipped)
    full = subject.subscribe(Order, where=Order.region == "eu", buffer=1)
    everything = subject.subscribe()
    await subject.publish(Order(n=0))
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        assert await subject.publish(Shipped(n=2)) == 1
        assert subject.publish_nowait(Order(n=3, region="us")) == 1
        assert await subject.publish_many([Shipped(n=4), Order(n=5, region="us")]) == 2
        assert waiting.waits
    assert numbers(take_all(everything)) == [0, 2, 3, 4, 5]
    assert numbers(take_all(full)) == [0]


@both
async def test_a_full_subscription_whose_where_returns_false_holds_no_publisher() -> None:
    """A full subscription whose callable `where` does not want the event makes no publish wait."""
    subject = Subject(Order)
    full = subject.subscribe(Order, where=lambda event: event.n == 0, buffer=1)
    await subject.publish(Order(n=0))
    with anyio.fail_after(1):
        assert await subject.publish(Order(n=1)) == 0
    assert numbers(take_all(full)) == [0]


@both
async def test_with_no_subscriber_a_publish_never_waits() -> None:
    """Without subscribers publish returns 0 at once, and the event is kept nowhere."""
    subject = Subject(Order)
    for n in range(1_000):
        assert await subject.publish(Order(n=n)) == 0
    subscription = subject.subscribe(Order)
    assert take_all(subscription) == []


@both
async def test_publishes_that_wait_for_one_subscription_happen_in_the_order_in_which_they_came() -> None:
    """Ten publishes wait for one subscription, and happen first come, first served."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    received: list[int] = []
    async with group() as tasks:
        waiting = [await publishing(tasks, subject, Order(n=n)) for n in range(1, 11)]
        for _ in range(11):
            received.append((await subscription.receive()).n)
            await settle()
            assert [task.waits for task in waiting].count(False) == min(len(received), 10)
    assert received == list(range(11))


@both
async def test_nobody_takes_a_freed_slot_before_the_publish_that_waits_for_it() -> None:
    """After `receive_nowait` the slot belongs to the waiting publish: publish_nowait is refused, publish waits."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        assert subscription.receive_nowait().n == 0
        with pytest.raises(anyio.WouldBlock):
            subject.publish_nowait(Order(n=99))
        later = await publishing(tasks, subject, Order(n=2))
        assert waiting.result == 1
        assert later.waits
        assert (await subscription.receive()).n == 1
        await settle()
        assert later.result == 1
    assert numbers(take_all(subscription)) == [2]


@both
async def test_a_publish_in_the_same_step_does_not_overtake_one_that_waits() -> None:
    """A task that receives and publishes at once comes after the publish that was waiting already."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    received: list[int] = []
    go_on = anyio.Event()

    async def takes_and_publishes() -> None:
        subscription.receive_nowait()
        await subject.publish(Order(n=2))

    async def reads() -> None:
        async for event in subscription:
            received.append(event.n)
            await go_on.wait()

    async with group() as tasks:
        tasks.start_soon(reads)
        fill(subject, 1)
        await settle()
        fill(subject, 1)
        await publishing(tasks, subject, Order(n=1))
        tasks.start_soon(takes_and_publishes)
        await settle()
        go_on.set()
        await settle()
    assert received == [0, 1, 2]


@both
async def test_a_freed_slot_is_reserved_for_the_longest_waiting_publish_while_it_waits_for_another() -> None:
    """The longest-waiting publish needs two slots: the first that is freed counts as taken for all others."""
    subject = Subject(Order, Shipped)
    left = subject.subscribe(Order, buffer=1)
    right = subject.subscribe(buffer=1)
    fill(subject, 1)
    async with group() as tasks:
        longest = await publishing(tasks, subject, Order(n=1))
        assert right.receive_nowait().n == 0
        await settle()
        assert longest.waits
        with pytest.raises(anyio.WouldBlock):
            subject.publish_nowait(Shipped(n=50))
        stranger = await publishing(tasks, subject, Shipped(n=51))
        assert stranger.waits
        assert left.receive_nowait().n == 0
        await settle()
        assert longest.result == 2
        assert stranger.waits
        assert right.receive_nowait().n == 1
        await settle()
        assert stranger.result == 1


@both
async def test_only_one_slot_of_a_subscription_is_reserved() -> None:
    """One slot in each subscription is reserved for the longest-waiting publish; a second free one is for anybody."""
    subject = Subject(Order, Shipped)
    left = subject.subscribe(Order, buffer=2)
    right = subject.subscribe(buffer=2)
    fill(subject, 2)
    async with group() as tasks:
        longest = await publishing(tasks, subject, Order(n=2))
        right.receive_nowait()
        right.receive_nowait()
        assert subject.publish_nowait(Shipped(n=50)) == 1
        with pytest.raises(anyio.WouldBlock):
            subject.publish_nowait(Shipped(n=51))
        assert longest.waits
        left.receive_nowait()
        await settle()
        assert longest.result == 2
    assert numbers(take_all(right)) == [50, 2]


@both
async def test_a_cancelled_publish_passes_its_reserved_slots_on() -> None:
    """When the longest-waiting publish is cancelled, the slots reserved for it go to the next publish that waits."""
    subject = Subject(Order, Shipped)
    left = subject.subscribe(Order, buffer=1)
    right = subject.subscribe(buffer=1)
    fill(subject, 1)
    async with group() as tasks:
        longest = await publishing(tasks, subject, Order(n=1))
        right.receive_nowait()
        stranger = await publishing(tasks, subject, Shipped(n=51))
        assert stranger.waits
        longest.scope.cancel()
        await settle()
        assert longest.cancelled
        assert stranger.result == 1
    assert numbers(take_all(right)) == [51]
    assert numbers(take_all(left)) == [0]


@both
async def test_when_the_first_of_three_waiting_publishes_is_cancelled_the_second_goes() -> None:
    """The first is cancelled as room comes: either it still happens, or the second does, and none hangs."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    async with group() as tasks:
        first, second, third = [await publishing(tasks, subject, Order(n=n)) for n in (1, 2, 3)]
        subscription.receive_nowait()
        first.scope.cancel()
        await settle()
        assert first.ended
        if first.cancelled:
            assert second.result == 1
        else:
            assert second.waits
        assert third.waits
        taken = [(await subscription.receive()).n]
        await settle()
        taken.append((await subscription.receive()).n)
        await settle()
        if not first.cancelled:
            taken.append((await subscription.receive()).n)
            await settle()
        assert taken == ([2, 3] if first.cancelled else [1, 2, 3])
        assert third.result == 1


@both
async def test_a_publish_that_needs_many_slow_subscriptions_does_not_starve() -> None:
    """Other publishers keep every buffer full; a publish that needs all of them happens after a few reads of each."""
    subject = Subject(Order, Shipped, Tick)
    slow = [
        subject.subscribe(Tick, Order, where=lambda event, n=n: getattr(event, "n", n) == n, buffer=1) for n in range(5)
    ]
    both_kinds = subject.subscribe(Tick, buffer=100)

    async def keeps_full(n: int) -> None:
        while True:
            await subject.publish(Order(n=n))

    async with group() as tasks:
        for n in range(5):
            tasks.start_soon(keeps_full, n)
        await settle()
        needs_all = await publishing(tasks, subject, Tick(symbol="a", price=1))
        assert needs_all.waits
        reads = 0
        while needs_all.waits:
            for subscription in slow:
                await subscription.receive()
                reads += 1
                await settle()
            assert reads <= 15, "the publish that needs all of them starves"
        assert needs_all.result == 6
    assert len(take_all(both_kinds)) == 1


@both
async def test_publish_nowait_in_a_tight_loop_does_not_starve_a_publish_that_waits() -> None:
    """The waiting publish gets the next free slot."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2)
    fill(subject, 2)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1_000))
        received: list[int] = []
        for n in range(2, 50):
            try:
                subject.publish_nowait(Order(n=n))
            except anyio.WouldBlock:
                received.append((await subscription.receive()).n)
                await turn(3)
            if waiting.ended:
                break
        assert waiting.result == 1
    assert 1_000 in received + numbers(take_all(subscription))


@both
async def test_a_reader_that_comes_while_a_publish_waits_lets_it_go_on() -> None:
    """Nobody reads the full subscription when the publish starts to wait; a reader that comes later makes room."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    received: list[int] = []

    async def read() -> None:
        async for event in subscription:
            received.append(event.n)

    async with group() as tasks:
        waiting = [await publishing(tasks, subject, Order(n=n)) for n in (1, 2, 3)]
        tasks.start_soon(read)
        await settle()
        assert [task.result for task in waiting] == [1, 1, 1]
    assert received == [0, 1, 2, 3]


@both
async def test_a_batch_lets_as_many_waiting_publishes_go_on_as_it_makes_room_for() -> None:
    """`batches` takes the whole buffer at once, and as many waiting publishes happen as there is room."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=4)
    fill(subject, 4)
    async with group() as tasks:
        waiting = [await publishing(tasks, subject, Order(n=n)) for n in range(4, 10)]
        batches = aiter(subscription.batches())
        assert numbers(list(await anext(batches))) == [0, 1, 2, 3]
        await settle()
        assert [task.result for task in waiting] == [1, 1, 1, 1, None, None]
        assert numbers(list(await anext(batches))) == [4, 5, 6, 7]
        await settle()
        assert all(task.result == 1 for task in waiting)
        assert numbers(list(await anext(batches))) == [8, 9]


@both
async def test_publish_nowait_never_waits() -> None:
    """publish_nowait delivers the event or raises `WouldBlock`; it is not async."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    assert subject.publish_nowait(Order(n=0)) == 1
    with pytest.raises(anyio.WouldBlock):
        subject.publish_nowait(Order(n=1))
    subscription.receive_nowait()
    assert subject.publish_nowait(Order(n=2)) == 1
    assert numbers(take_all(subscription)) == [2]


@both
async def test_other_policies_never_make_a_publisher_wait() -> None:
    """Subscriptions with drop_oldest, drop_newest, disconnect or conflate take any number of events without a wait."""
    subject = Subject(Order)
    kept = [
        subject.subscribe(Order, buffer=1, overflow="drop_oldest"),
        subject.subscribe(Order, buffer=1, overflow="drop_newest"),
        subject.subscribe(Order, buffer=1, overflow="disconnect"),
        subject.subscribe(Order, buffer=1, conflate=Order.n),
    ]
    with anyio.fail_after(1):
        for n in range(500):
            await subject.publish(Order(n=n))
    assert kept[0].statistics().waiting == 1


@both
async def test_publishes_of_different_types_that_wait_for_one_subscription_keep_their_order() -> None:
    """Publishes of different types that need the same subscription happen in the order in which they came."""
    subject = Subject(Order, Shipped)
    subscription = subject.subscribe(buffer=1)
    fill(subject, 1)
    async with group() as tasks:
        events = [Order(n=1), Shipped(n=2), Order(n=3), Shipped(n=4)]
        for event in events:
            await publishing(tasks, subject, event)
        received = []
        for _ in range(5):
            received.append((await subscription.receive()).n)
            await settle()
    assert received == [0, 1, 2, 3, 4]


@both
async def test_two_waiting_publishes_never_hold_what_the_other_needs() -> None:
    """Each of two waiting publishes could hold a slot that the other needs: the earlier one gets both."""
    subject = Subject(Order)
    keyed = subject.subscribe(Order, conflate=Order.region, overflow="block", buffer=1)
    plain = subject.subscribe(Order, where=Order.n >= 10, buffer=1)
    await subject.publish(Order(n=10, region="b"))
    async with group() as tasks:
        replaces = await publishing(tasks, subject, Order(n=11, region="b"))
        needs_both = await publishing(tasks, subject, Order(n=12, region="c"))
        # The first may go now, since its key is buffered.
        assert plain.receive_nowait().n == 10
        # Its key is buffered no longer: it needs the slot that this frees.
        assert keyed.receive_nowait().n == 10
        await settle()
        assert replaces.result == 2
        assert needs_both.waits
        assert numbers(take_all(plain)) == numbers(take_all(keyed)) == [11]
        await settle()
        assert needs_both.result == 2
    assert numbers(take_all(plain)) == numbers(take_all(keyed)) == [12]


@both
async def test_two_thousand_publishes_wait_and_go_in_the_order_in_which_they_came() -> None:
    """Some are cancelled, at the front, in the middle and at the end: all others happen, in order."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    waiting: list[Publishing] = []
    async with group() as tasks:
        for n in range(1, 2_001):
            waiting.append(Publishing(subject, Order(n=n)))
            tasks.start_soon(waiting[-1])
            await turn()
        await settle()
        assert subject.statistics().waiting_publishers == 2_000
        cancelled = {1, 2, 999, 1_000, 1_999, 2_000}
        for n in cancelled:
            waiting[n - 1].scope.cancel()
        await settle()
        received = [(await subscription.receive()).n for _ in range(2_001 - len(cancelled))]
        await settle()
        assert all(task.ended for task in waiting)
    assert received == [n for n in range(2_001) if n not in cancelled]
    assert subject.statistics().waiting_publishers == 0


@both
async def test_closing_ends_two_thousand_publishes_that_wait() -> None:
    """Each of them is refused, whether it has the timer or not."""
    subject = Subject(Order)
    subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    waiting = [Publishing(subject, Order(n=n)) for n in range(2_000)]
    async with group() as tasks:
        for task in waiting:
            tasks.start_soon(task)
        await settle()
        subject.close()
        await settle()
        assert all(isinstance(task.error, SubjectClosed) for task in waiting)
