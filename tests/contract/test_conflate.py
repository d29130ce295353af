"""Section 2, conflate: an event replaces a buffered one of the same key, in its place, and needs no room."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from .kit import Order, Subject, Tick, balanced, both, group, publishing, settle, take_all


def drawn(events: list[Any]) -> list[str]:
    """`symbol price` for each."""
    return [f"{event.symbol}{event.price}" for event in events]


async def publish(subject: Subject[Any], *ticks: str) -> None:
    """Publish ticks written as `a1`."""
    for tick in ticks:
        await subject.publish(Tick(symbol=tick[0], price=int(tick[1:])))


@pytest.mark.parametrize("key", [Tick.symbol, lambda tick: tick.symbol], ids=["field", "callable"])
@both
async def test_the_newest_of_a_key_in_the_place_of_the_oldest(key: Any) -> None:
    """A field or a callable gives the key; the place is that of the first, the value that of the last."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=key)
    await publish(subject, "a1", "b1", "a2", "c1", "b2", "a3")
    assert drawn(take_all(subscription)) == ["a3", "b2", "c1"]
    assert subscription.statistics().replaced == 3
    balanced(subscription)


@both
async def test_what_was_delivered_is_not_replaced() -> None:
    """A key whose event was read takes a new place at the end."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol)
    await publish(subject, "a1", "b1")
    assert (await subscription.receive()).price == 1
    await publish(subject, "a2")
    assert drawn(take_all(subscription)) == ["b1", "a2"]


@both
async def test_what_an_iterator_has_at_hand_is_replaced() -> None:
    """Events not delivered are the buffer, also while an iterator is under way."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol)
    await publish(subject, "a1", "b1", "c1")
    iterator = aiter(subscription)
    assert drawn([await anext(iterator)]) == ["a1"]
    await publish(subject, "b2", "a2")
    assert drawn([await anext(iterator), await anext(iterator), await anext(iterator)]) == ["b2", "c1", "a2"]
    balanced(subscription)


@both
async def test_with_block_a_key_that_is_buffered_needs_no_room() -> None:
    """overflow="block": the same key passes a full buffer, another one waits."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol, buffer=2, overflow="block")
    await publish(subject, "a1", "b1")
    with anyio.fail_after(1):
        await publish(subject, "a2", "b2")
    async with group() as tasks:
        waiting = await publishing(tasks, subject, Tick(symbol="c", price=1))
        assert waiting.waits
        assert drawn([await subscription.receive()]) == ["a2"]
        await settle()
        assert waiting.result == 1
    assert drawn(take_all(subscription)) == ["b2", "c1"]


@both
async def test_with_block_a_waiting_publish_whose_key_came_needs_room_no_more() -> None:
    """While one publish of a key waits, a slot may free; the next of that key replaces: nothing is doubled."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol, buffer=1, overflow="block")
    await publish(subject, "a1")
    async with group() as tasks:
        first = await publishing(tasks, subject, Tick(symbol="b", price=1))
        second = await publishing(tasks, subject, Tick(symbol="b", price=2))
        assert first.waits
        assert second.waits
        await subscription.receive()
        await settle()
        assert (first.result, second.result) == (1, 1)
    assert drawn(take_all(subscription)) == ["b2"]
    balanced(subscription)


@both
async def test_with_drop_newest_only_new_keys_are_refused() -> None:
    """overflow decides only when there are more keys than room."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol, buffer=2, overflow="drop_newest")
    await publish(subject, "a1", "b1", "c1", "a2")
    assert drawn(take_all(subscription)) == ["a2", "b1"]
    assert subscription.statistics().dropped == 1
    assert subscription.statistics().replaced == 1


@both
async def test_with_drop_oldest_the_oldest_place_goes() -> None:
    """The key that has stood for longest goes, though its value is new."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol, buffer=2)
    await publish(subject, "a1", "b1", "a2", "c1")
    assert drawn(take_all(subscription)) == ["b1", "c1"]
    await publish(subject, "a3", "b3")
    assert drawn(take_all(subscription)) == ["a3", "b3"]
    balanced(subscription)


@both
async def test_with_disconnect_replacing_is_no_overflow() -> None:
    """A subscription that conflates is disconnected only by more keys than room."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol, buffer=2, overflow="disconnect")
    await publish(subject, *(f"{symbol}{n}" for n in range(20) for symbol in "ab"))
    assert drawn([subscription.receive_nowait(), subscription.receive_nowait()]) == ["a19", "b19"]


@both
async def test_none_is_a_key_like_any_other() -> None:
    """A key of None conflates with None."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, conflate=lambda event: None)
    for n in range(5):
        await subject.publish(Order(n=n))
    assert take_all(subscription) == [Order(n=4)]


@both
async def test_equal_keys_of_different_types_are_one_key() -> None:
    """Keys are compared as in a dict: 1, 1.0 and True are one."""
    subject = Subject(Order)
    keys: dict[int, Any] = {0: 1, 1: 1.0, 2: True}
    subscription = subject.subscribe(Order, conflate=lambda event: keys[event.n])
    for n in range(3):
        await subject.publish(Order(n=n))
    assert take_all(subscription) == [Order(n=2)]


@both
async def test_conflation_is_each_subscriptions_own() -> None:
    """One that conflates and one that does not get the same events in one order."""
    subject = Subject(Tick)
    plain, conflated = subject.subscribe(Tick), subject.subscribe(Tick, conflate=Tick.symbol)
    await publish(subject, "a1", "b1", "a2")
    assert drawn(take_all(plain)) == ["a1", "b1", "a2"]
    assert drawn(take_all(conflated)) == ["a2", "b1"]


@both
async def test_an_async_conflate_is_refused() -> None:
    """A coroutine function as key is a TypeError when it is written."""
    subject: Any = Subject(Tick)

    async def key(tick: Tick) -> str:
        return tick.symbol

    with pytest.raises(TypeError):
        subject.subscribe(Tick, conflate=key)
