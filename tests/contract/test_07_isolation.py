"""Guarantee 7: isolation. What a subscriber raises, or how slow it is, affects no publisher and no other subscriber."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from .kit import Order, Subject, balanced, both, fill, group, numbers, settle, take_all


class Unhashable:
    """A key that has no hash."""

    __hash__ = None  # type: ignore[assignment]


class HashRaises:
    """A key whose hash raises."""

    def __hash__(self) -> int:
        raise ZeroDivisionError("hash")


class EqualityRaises:
    """A key whose equality raises."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise self.error("equality")


def raises(event: Any) -> Any:
    """Raise from the second event on."""
    if event.n:
        raise ZeroDivisionError("callable")
    return True


def reads_elsewhere(error: Exception) -> Callable[[Any], bool]:
    """Raise from the second event on what reading another stream raises."""

    def where(event: Any) -> bool:
        if event.n:
            raise error
        return True

    return where


async def never() -> bool:
    """A coroutine function, where a plain function is expected."""
    return True


def returns_a_coroutine(event: Any) -> Any:
    """A plain function that returns a coroutine."""
    return never() if event.n else True


BROKEN: list[Any] = [
    pytest.param({"where": raises}, ZeroDivisionError, id="where raises"),
    pytest.param({"where": reads_elsewhere(anyio.EndOfStream("there"))}, RuntimeError, id="where meets an end"),
    pytest.param({"where": reads_elsewhere(anyio.WouldBlock("there"))}, RuntimeError, id="where finds nothing"),
    pytest.param({"conflate": reads_elsewhere(anyio.EndOfStream("there"))}, RuntimeError, id="conflate meets an end"),
    pytest.param({"where": returns_a_coroutine}, TypeError, id="where returns a coroutine"),
    pytest.param({"conflate": raises}, ZeroDivisionError, id="conflate raises"),
    pytest.param({"conflate": returns_a_coroutine}, TypeError, id="conflate returns a coroutine"),
    pytest.param({"conflate": lambda event: [] if event.n else 0}, TypeError, id="an unhashable key"),
    pytest.param({"conflate": lambda event: Unhashable() if event.n else 0}, TypeError, id="a key without a hash"),
    pytest.param({"conflate": lambda event: HashRaises() if event.n else 0}, ZeroDivisionError, id="hash raises"),
]


@pytest.mark.parametrize("options, error", BROKEN)
@both
async def test_a_callable_that_raises_ends_its_own_subscription_and_nobody_notices(
    options: dict[str, Any], error: type[Exception]
) -> None:
    """The subscription can still read its buffer and then gets its own error; publisher and other subscribers go on."""
    subject = Subject(Order)
    before = subject.subscribe(Order)
    broken = subject.subscribe(Order, **options)
    after = subject.subscribe(Order)
    for n in range(4):
        assert await subject.publish(Order(n=n)) in (2, 3)
    assert await subject.publish(Order(n=4)) == 2
    assert numbers(take_all(before)) == numbers(take_all(after)) == [0, 1, 2, 3, 4]
    assert (await broken.receive()).n == 0
    with pytest.raises(error):
        await broken.receive()
    balanced(broken)


@pytest.mark.parametrize("options, error", BROKEN)
@both
async def test_a_callable_that_raises_wakes_the_reader_of_its_subscription(
    options: dict[str, Any], error: type[Exception]
) -> None:
    """A reader that waits on the subscription gets the error and does not hang."""
    subject = Subject(Order)
    broken = subject.subscribe(Order, **options)
    outcome: list[object] = []

    async def read() -> None:
        try:
            async for event in broken:
                outcome.append(event.n)
        except Exception as raised:
            outcome.append(type(raised))

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        await subject.publish(Order(n=0))
        await settle()
        await subject.publish(Order(n=1))
        await settle()
    assert outcome[0] == 0
    assert isinstance(outcome[1], type)
    assert issubclass(outcome[1], error)


@both
async def test_a_full_subscription_whose_where_raises_holds_no_publisher() -> None:
    """The `where` of a full subscription raises for an event: the publish does not wait for room in it."""
    subject = Subject(Order)
    broken = subject.subscribe(Order, where=raises, buffer=1)
    other = subject.subscribe(Order)
    await subject.publish(Order(n=0))
    with anyio.fail_after(1):
        assert await subject.publish(Order(n=1)) in (1, 2)
    assert numbers(take_all(other)) == [0, 1]
    assert (await broken.receive()).n == 0


@pytest.mark.parametrize("error", [ZeroDivisionError, GeneratorExit, asyncio.CancelledError])
@both
async def test_a_key_whose_comparison_raises_reaches_no_publisher(error: type[BaseException]) -> None:
    """Keys are compared during a publish: an error there affects only the subscription whose key it is."""
    subject = Subject(Order)
    before = subject.subscribe(Order)
    broken = subject.subscribe(Order, conflate=lambda event: EqualityRaises(error))
    after = subject.subscribe(Order)
    for n in range(4):
        await subject.publish(Order(n=n))
    assert numbers(take_all(before)) == numbers(take_all(after)) == [0, 1, 2, 3]
    balanced(broken)


@both
async def test_a_slow_reader_with_a_lossy_policy_delays_nobody() -> None:
    """A subscription that is never read, with any policy but block, delays neither the publisher nor other readers."""
    subject = Subject(Order)
    stuck = [subject.subscribe(Order, buffer=1, overflow=p) for p in ("drop_oldest", "drop_newest", "disconnect")]
    received: list[int] = []

    async def read() -> None:
        async with subject.subscribe(Order) as subscription:
            async for event in subscription:
                received.append(event.n)

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        with anyio.fail_after(1):
            for n in range(100):
                await subject.publish(Order(n=n))
        await settle()
    assert received == list(range(100))
    for subscription in stuck:
        balanced(subscription)


@both
async def test_a_full_block_subscription_delays_nobody_who_wants_other_events() -> None:
    """A subscriber that does not want what the slow one wants gets its events at its own pace."""
    subject = Subject(Order)
    slow = subject.subscribe(where=Order.region == "eu", buffer=1)
    quick = subject.subscribe(where=Order.region == "us", buffer=1)
    await subject.publish(Order(n=0))
    async with group() as tasks:
        tasks.start_soon(subject.publish, Order(n=1))
        await settle()
        for n in range(50):
            await subject.publish(Order(n=n, region="us"))
            assert (await quick.receive()).n == n
    assert slow.statistics().waiting == 1


@both
async def test_an_error_in_a_readers_body_stays_there() -> None:
    """A reader that raises leaves its own `async with`; the publisher and the other subscribers do not notice."""
    subject = Subject(Order)
    other = subject.subscribe(Order)
    caught: list[str] = []

    async def read() -> None:
        try:
            async with subject.subscribe(Order) as subscription:
                async for _ in subscription:
                    raise ZeroDivisionError("in the body")
        except ZeroDivisionError as error:
            caught.append(str(error))

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        assert await subject.publish(Order(n=0)) == 2
        await settle()
        assert await subject.publish(Order(n=1)) == 1
    assert caught == ["in the body"]
    assert numbers(take_all(other)) == [0, 1]


@both
async def test_an_observer_that_raises_reaches_neither_publisher_nor_others(caplog: pytest.LogCaptureFixture) -> None:
    """One handler raises at every event: publish returns its count, and the handler and all others get every event."""
    subject = Subject(Order)
    handled: dict[str, list[int]] = {"bad": [], "good": []}

    def handler(name: str) -> Callable[[Order], None]:
        def handle(order: Order) -> None:
            handled[name].append(order.n)
            if name == "bad":
                raise ZeroDivisionError(order.n)

        return handle

    for name in handled:
        subject.observe(handler(name), Order)
    plain = subject.subscribe(Order)
    async with subject:
        for n in range(5):
            await subject.publish(Order(n=n))
    assert handled == {"bad": [0, 1, 2, 3, 4], "good": [0, 1, 2, 3, 4]}
    assert numbers(take_all(plain)) == [0, 1, 2, 3, 4]
    assert "ZeroDivisionError" in caplog.text


@both
async def test_a_subscription_that_fails_does_not_affect_one_with_the_same_condition() -> None:
    """Two subscriptions have the same condition and one has a `conflate` that raises: the other gets everything."""
    subject = Subject(Order)
    good = subject.subscribe(Order, where=Order.region == "eu")
    broken = subject.subscribe(Order, where=Order.region == "eu", conflate=raises)
    fill(subject, 3)
    assert numbers(take_all(good)) == [0, 1, 2]
    assert (await broken.receive()).n == 0
    with pytest.raises(ZeroDivisionError):
        await broken.receive()
