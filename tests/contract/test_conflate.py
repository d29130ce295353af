"""Section 2, conflate: an event replaces a buffered one with the same key, in its place, and needs no room."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from .kit import Order, Subject, Tick, balanced, both, group, publishing, settle, take_all


def drawn(events: list[Any]) -> list[str]:
    """`symbol` and `price` of each tick."""
    return [f"{event.symbol}{event.price}" for event in events]


async def publish(subject: Subject[Any], *ticks: str) -> None:
    """Publish ticks written as `a1`."""
    for tick in ticks:
        await subject.publish(Tick(symbol=tick[0], price=int(tick[1:])))


@pytest.mark.parametrize("key", [Tick.symbol, lambda tick: tick.symbol], ids=["field", "callable"])
@both
async def test_the_newest_event_of_a_key_takes_the_place_of_the_oldest(key: Any) -> None:
    """A field or a callable names the key; the place is that of the first event, the value that of the last."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=key)
    await publish(subject, "a1", "b1", "a2", "c1", "b2", "a3")
    assert drawn(take_all(subscription)) == ["a3", "b2", "c1"]
    assert subscription.statistics().replaced == 3
    balanced(subscription)


@both
async def test_an_event_that_was_delivered_is_not_replaced() -> None:
    """After its event was read a key gets a new place at the end."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol)
    await publish(subject, "a1", "b1")
    assert (await subscription.receive()).price == 1
    await publish(subject, "a2")
    assert drawn(take_all(subscription)) == ["b1", "a2"]


@both
async def test_an_event_that_an_iterator_has_not_delivered_is_replaced() -> None:
    """Events that were not delivered are the buffer, also while an iterator reads it."""
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
    """With `overflow="block"` an event with a buffered key is delivered at once, and one with another key waits."""
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
async def test_with_block_a_waiting_publish_replaces_once_its_key_is_buffered() -> None:
    """Two publishes of one key wait and one slot is freed: the second event replaces the first."""
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
async def test_with_drop_newest_only_new_keys_are_dropped() -> None:
    """`overflow` matters only if there are more keys than room."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol, buffer=2, overflow="drop_newest")
    await publish(subject, "a1", "b1", "c1", "a2")
    assert drawn(take_all(subscription)) == ["a2", "b1"]
    assert subscription.statistics().dropped == 1
    assert subscription.statistics().replaced == 1


@both
async def test_with_drop_oldest_the_key_with_the_oldest_place_is_dropped() -> None:
    """The key that has had its place for longest is dropped, even if its value is new."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol, buffer=2)
    await publish(subject, "a1", "b1", "a2", "c1")
    assert drawn(take_all(subscription)) == ["b1", "c1"]
    await publish(subject, "a3", "b3")
    assert drawn(take_all(subscription)) == ["a3", "b3"]
    balanced(subscription)


@both
async def test_with_disconnect_replacing_is_no_overflow() -> None:
    """A subscription with `conflate` is disconnected only by more keys than room."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol, buffer=2, overflow="disconnect")
    await publish(subject, *(f"{symbol}{n}" for n in range(20) for symbol in "ab"))
    assert drawn([subscription.receive_nowait(), subscription.receive_nowait()]) == ["a19", "b19"]


@both
async def test_none_is_a_key_like_any_other() -> None:
    """Events with the key None replace each other."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, conflate=lambda event: None)
    for n in range(5):
        await subject.publish(Order(n=n))
    assert take_all(subscription) == [Order(n=4)]


@both
async def test_equal_keys_of_different_types_are_one_key() -> None:
    """Keys are compared as in a dict: 1, 1.0 and True are one key."""
    subject = Subject(Order)
    keys: dict[int, Any] = {0: 1, 1: 1.0, 2: True}
    subscription = subject.subscribe(Order, conflate=lambda event: keys[event.n])
    for n in range(3):
        await subject.publish(Order(n=n))
    assert take_all(subscription) == [Order(n=2)]


@both
async def test_conflation_affects_only_its_own_subscription() -> None:
    """A subscription without `conflate` gets all events that another one conflates."""
    subject = Subject(Tick)
    plain, conflated = subject.subscribe(Tick), subject.subscribe(Tick, conflate=Tick.symbol)
    await publish(subject, "a1", "b1", "a2")
    assert drawn(take_all(plain)) == ["a1", "b1", "a2"]
    assert drawn(take_all(conflated)) == ["a2", "b1"]


@both
async def test_an_async_conflate_is_refused() -> None:
    """An async function as `conflate` is a TypeError at the call of subscribe."""
    subject: Any = Subject(Tick)

    async def key(tick: Tick) -> str:
        return tick.symbol

    with pytest.raises(TypeError):
        subject.subscribe(Tick, conflate=key)


@both
async def test_a_key_that_raises_as_a_waiting_publish_goes_on_ends_its_own_subscription_alone() -> None:
    """It is asked once; the reader that made room gets its event, and the publish reaches everybody else."""
    subject = Subject(Order)
    full = subject.subscribe(Order, buffer=1)
    await subject.publish(Order(n=0))
    asked: list[int] = []

    def conflate(order: Order) -> object:
        asked.append(order.n)
        raise ZeroDivisionError

    async with group() as tasks:
        waiting = await publishing(tasks, subject, Order(n=1))
        newcomer = subject.subscribe(Order, conflate=conflate, buffer=1)
        other = subject.subscribe(Order, conflate=lambda order: order.n, buffer=1)
        assert (await full.receive()).n == 0
        await settle()
        assert waiting.result == 2
        assert asked == [1]
        with pytest.raises(ZeroDivisionError):
            newcomer.receive_nowait()
        with anyio.fail_after(1):
            assert (await full.receive()).n == (await other.receive()).n == 1
            assert await subject.publish(Order(n=2)) == 2
    assert asked == [1]
    for subscription in (full, newcomer, other):
        balanced(subscription)


class Fickle:
    """A key that says of itself in turn that it equals another, and that it does not."""

    def __init__(self, answers: str, asked: list[int]) -> None:
        self.answers, self.asked = answers, asked

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        self.asked.append(1)
        return self.answers[len(self.asked) % len(self.answers)] == "y"


@pytest.mark.parametrize("overflow", ["block", "drop_oldest", "drop_newest"])
@pytest.mark.parametrize("answers", ["yn", "ny", "yyn", "nny", "yynn"])
@both
async def test_a_key_that_changes_its_mind_tears_no_publish(answers: str, overflow: Any) -> None:
    """Whatever its `==` says, every event reaches the others, and its own subscription can be read to the end."""
    subject = Subject(Order)
    asked: list[int] = []
    before = subject.subscribe(Order)
    fickle = subject.subscribe(Order, conflate=lambda _: Fickle(answers, asked), buffer=4, overflow=overflow)
    after = subject.subscribe(Order)
    for n in range(20):
        with anyio.fail_after(1):
            assert await subject.publish(Order(n=n)) == 3
        if n % 3 == 2:
            taken = [order.n for order in take_all(fickle)]
            assert taken
            assert max(taken) <= n
        balanced(fickle)
    assert [order.n for order in take_all(before)] == [order.n for order in take_all(after)] == list(range(20))
