"""Section 2, its own pace: what a full buffer gives up, by policy."""

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
async def test_what_is_left_after_five_into_two(overflow: Any, left: list[int]) -> None:
    """block keeps the first two and the publisher waits, drop_oldest the last two, the others the first two."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow=overflow)
    for n in range(5):
        with anyio.move_on_after(1) as scope:
            await subject.publish(Order(n=n))
        assert scope.cancelled_caught == (overflow in (None, "block") and n >= 2)
    assert [subscription.receive_nowait().n for _ in range(2)] == left
    balanced(subscription)


@both
async def test_block_is_the_default_and_64_the_buffer() -> None:
    """With nothing said, 64 events fit, and the 65th waits."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 64)
    with pytest.raises(anyio.WouldBlock):
        subject.publish_nowait(Order(n=64))
    assert subscription.statistics().capacity == 64


@both
async def test_drop_oldest_is_the_default_with_conflate() -> None:
    """A conflating subscription gives up the oldest key where there are more keys than room."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, conflate=Order.n)
    fill(subject, 5)
    assert numbers(take_all(subscription)) == [3, 4]
    assert subscription.statistics().dropped == 3


@both
async def test_drop_oldest_keeps_the_newest_in_order() -> None:
    """A reader that comes late gets the newest, in order, whatever it read before."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=3, overflow="drop_oldest")
    fill(subject, 3)
    assert (await subscription.receive()).n == 0
    fill(subject, 10, 3)
    assert numbers(take_all(subscription)) == [10, 11, 12]


@both
async def test_drop_oldest_sees_what_an_iterator_has_at_hand() -> None:
    """Events that an iterator has not delivered are the buffer: the oldest of them is given up first."""
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
async def test_disconnect_gives_what_it_has_then_slow_subscriber() -> None:
    """The slow one gets its buffer, then SlowSubscriber, which says how many it missed, again and again."""
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
    """After the disconnect it wants nothing any more, and the publisher does not count it."""
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
async def test_disconnect_with_gaps_gives_the_gap_before_the_error() -> None:
    """SlowSubscriber follows a Gap where gaps were asked for."""
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
async def test_a_waiting_reader_of_a_disconnected_subscription_does_not_hang() -> None:
    """A loop over a subscription that is disconnected while its body is busy ends by SlowSubscriber."""
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
async def test_drop_newest_takes_again_when_there_is_room() -> None:
    """What came while it was full is lost, what comes after a read is not."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow="drop_newest")
    fill(subject, 4)
    assert (await subscription.receive()).n == 0
    fill(subject, 1, 4)
    assert numbers(take_all(subscription)) == [1, 4]


@both
async def test_policies_of_several_subscriptions_do_not_mix() -> None:
    """In one fan-out each subscription follows its own policy."""
    subject = Subject(Order)
    policies: list[Any] = ["drop_oldest", "drop_newest", "disconnect"]
    subscriptions = {policy: subject.subscribe(Order, buffer=2, overflow=policy) for policy in policies}
    roomy = subject.subscribe(Order)
    fill(subject, 5)
    assert numbers(take_all(roomy)) == [0, 1, 2, 3, 4]
    left = {policy: [s.receive_nowait().n for _ in range(2)] for policy, s in subscriptions.items()}
    assert left == {"drop_oldest": [3, 4], "drop_newest": [0, 1], "disconnect": [0, 1]}


@both
async def test_a_publish_that_waits_for_block_leaves_drops_to_its_instant() -> None:
    """What is dropped is what is old when the publish happens."""
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
