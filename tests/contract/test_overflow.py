"""Section 2, its own pace: what happens when a buffer is full."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow import EvenflowError, Gap, SlowSubscriber

from .kit import Order, Subject, balanced, both, fill, group, numbers, publishing, read_all, settle, take_all


@pytest.mark.parametrize(
    "overflow, left",
    [(None, [0, 1]), ("block", [0, 1]), ("drop_oldest", [3, 4]), ("drop_newest", [0, 1]), ("disconnect", [0, 1])],
)
@both
async def test_which_of_five_events_a_buffer_of_two_keeps(overflow: Any, left: list[int]) -> None:
    """block keeps the first two and the publisher waits; drop_oldest keeps the last two, the others the first."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow=overflow)
    for n in range(5):
        with anyio.move_on_after(1) as scope:
            await subject.publish(Order(n=n))
        assert scope.cancelled_caught == (overflow in (None, "block") and n >= 2)
    assert [subscription.receive_nowait().n for _ in range(2)] == left
    balanced(subscription)


@both
async def test_by_default_a_subscription_blocks_and_holds_64_events() -> None:
    """64 events fit, and the 65th has to wait."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 64)
    with pytest.raises(anyio.WouldBlock):
        subject.publish_nowait(Order(n=64))
    assert subscription.statistics().capacity == 64


@both
async def test_drop_oldest_is_the_default_with_conflate() -> None:
    """A subscription with `conflate` drops its oldest key if there are more keys than room."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, conflate=Order.n)
    fill(subject, 5)
    assert numbers(take_all(subscription)) == [3, 4]
    assert subscription.statistics().dropped == 3


@both
async def test_drop_oldest_keeps_the_newest_in_order() -> None:
    """A late reader gets the newest events, in order, whatever it has read before."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=3, overflow="drop_oldest")
    fill(subject, 3)
    assert (await subscription.receive()).n == 0
    fill(subject, 10, 3)
    assert numbers(take_all(subscription)) == [10, 11, 12]


@both
async def test_drop_oldest_drops_what_an_iterator_has_not_delivered_yet() -> None:
    """Events that an iterator has not delivered are still in the buffer, and the oldest of them is dropped first."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=3, overflow="drop_oldest")
    fill(subject, 3)
    iterator = aiter(subscription)
    assert (await anext(iterator)).n == 0
    fill(subject, 2, 3)
    assert (await anext(iterator)).n == 2
    assert subscription.receive_nowait().n == 3
    assert (await anext(iterator)).n == 4
    assert subscription.statistics().dropped == 1
    balanced(subscription)


@both
async def test_a_disconnected_reader_gets_its_buffer_then_slow_subscriber() -> None:
    """It can still read its buffer; each later read raises SlowSubscriber, which says how many events it missed."""
    subject = Subject(Order, name="orders")
    subscription = subject.subscribe(Order, buffer=2, overflow="disconnect", name="snail")
    fill(subject, 3)
    assert [subscription.receive_nowait().n for _ in range(2)] == [0, 1]
    for _ in range(2):
        with pytest.raises(SlowSubscriber) as caught:
            await subscription.receive()
    assert isinstance(caught.value, EvenflowError)
    assert "snail" in str(caught.value)
    assert caught.value.missed == 1
    with pytest.raises(SlowSubscriber):
        subscription.receive_nowait()
    with pytest.raises(SlowSubscriber):
        await read_all(subscription)


@both
async def test_a_disconnected_subscription_is_detached() -> None:
    """After that it wants no event, and publishers do not count it."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow="disconnect")
    assert await subject.publish(Order(n=0)) == 1
    await subject.publish(Order(n=1))
    assert await subject.publish(Order(n=2)) == 0
    wanted = subscription.statistics().wanted
    await subject.publish(Order(n=3))
    assert subscription.statistics().wanted == wanted
    balanced(subscription)


@both
async def test_with_gaps_a_disconnected_reader_gets_the_gap_before_the_error() -> None:
    """With `gaps=True` SlowSubscriber comes after a Gap."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow="disconnect", gaps=True)
    fill(subject, 2)
    first = await subscription.receive()
    gap = await subscription.receive()
    assert isinstance(first, Order)
    assert isinstance(gap, Gap)
    assert gap.count == 1
    with pytest.raises(SlowSubscriber):
        await subscription.receive()


@both
async def test_a_loop_over_a_disconnected_subscription_does_not_hang() -> None:
    """It was disconnected while the body of the loop was busy: the loop ends with SlowSubscriber."""
    subject = Subject(Order)
    ended: list[str] = []

    async def read() -> None:
        async with subject.subscribe(Order, buffer=1, overflow="disconnect") as subscription:
            try:
                async for _ in subscription:
                    await anyio.sleep(10)
            except SlowSubscriber:
                ended.append("slow")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await settle()
        for n in range(5):
            await subject.publish(Order(n=n))
    assert ended == ["slow"]


@both
async def test_drop_newest_accepts_events_again_when_there_is_room() -> None:
    """Events that come while the buffer is full are lost; those that come after a read are not."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow="drop_newest")
    fill(subject, 4)
    assert (await subscription.receive()).n == 0
    fill(subject, 1, 4)
    assert numbers(take_all(subscription)) == [1, 4]


@both
async def test_each_subscription_follows_its_own_policy() -> None:
    """One event is handled by several policies at once, and no subscription affects another."""
    subject = Subject(Order)
    policies: list[Any] = ["drop_oldest", "drop_newest", "disconnect"]
    subscriptions = {policy: subject.subscribe(Order, buffer=2, overflow=policy) for policy in policies}
    roomy = subject.subscribe(Order)
    fill(subject, 5)
    assert numbers(take_all(roomy)) == [0, 1, 2, 3, 4]
    left = {policy: [s.receive_nowait().n for _ in range(2)] for policy, s in subscriptions.items()}
    assert left == {"drop_oldest": [3, 4], "drop_newest": [0, 1], "disconnect": [0, 1]}


@both
async def test_a_publish_that_waits_drops_nothing_elsewhere_before_it_happens() -> None:
    """It waits for a full block subscription, and drops the oldest event of another one only when it happens."""
    subject = Subject(Order)
    blocking = subject.subscribe(Order, buffer=1)
    dropping = subject.subscribe(Order, buffer=1, overflow="drop_oldest")
    fill(subject, 1)
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        assert dropping.statistics().dropped == 0
        await blocking.receive()
        await settle()
        assert waiting.result == 2
    assert dropping.statistics().dropped == 1
    assert numbers(take_all(dropping)) == [1]
