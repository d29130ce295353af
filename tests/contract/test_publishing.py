"""Section 2, publishing: publish, publish_nowait, publish_many, first, drain; what they take, return and refuse."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import anyio
import pytest
from pydantic import BaseModel, Field

from evenflow import Event

from .kit import (
    BigOrder,
    Order,
    Shipped,
    Stuck,
    Subject,
    both,
    fill,
    group,
    numbers,
    only_asyncio,
    settle,
    take_all,
)


@both
async def test_publish_returns_how_many_subscriptions_wanted_it() -> None:
    """Those that want it, whether they had room or dropped it; those that do not are not counted."""
    subject = Subject(Order, Shipped)
    assert await subject.publish(Order(n=0)) == 0
    kept = [
        subject.subscribe(Order),
        subject.subscribe(Order, overflow="drop_newest", buffer=1),
        subject.subscribe(where=Order.region == "us"),
        subject.subscribe(Shipped),
        subject.subscribe(),
    ]
    assert await subject.publish(Order(n=1)) == 3
    assert subject.publish_nowait(Order(n=2)) == 3
    assert await subject.publish(Order(n=3, region="us")) == 4
    assert await subject.publish(Shipped(n=4)) == 2
    assert [s.statistics().wanted for s in kept] == [3, 3, 1, 1, 4]


@both
async def test_publish_many_returns_the_sum() -> None:
    """The sum of what each publish would have returned; 0 for no events."""
    subject = Subject(Order, Shipped)
    orders, everything = subject.subscribe(Order), subject.subscribe()
    assert await subject.publish_many([]) == 0
    assert await subject.publish_many([Order(n=0), Shipped(n=1), Order(n=2)]) == 5
    assert numbers(take_all(orders)) == [0, 2]
    assert numbers(take_all(everything)) == [0, 1, 2]


@both
async def test_publish_many_draws_the_next_when_the_last_is_placed() -> None:
    """The iterable is drawn one ahead of the buffer, not at once: it may be endless."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2)
    events = Stuck(10)
    async with group() as tasks:
        tasks.start_soon(subject.publish_many, events)
        await settle()
        assert events.drawn == 3
        await subscription.receive()
        await settle()
        assert events.drawn == 4


@both
async def test_between_the_events_of_publish_many_others_may_come() -> None:
    """publish_many is a publish for each: another publisher's event can stand between."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    received: list[int] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(subject.publish_many, [Order(n=n) for n in range(5)])
        await settle()
        tasks.start_soon(subject.publish, Order(n=100))
        await settle()
        for _ in range(6):
            received.append((await subscription.receive()).n)
            await settle()
    assert [n for n in received if n < 100] == [0, 1, 2, 3, 4]
    assert received.index(100) < 5


@both
async def test_publish_many_cancelled_half_way_keeps_what_went_before() -> None:
    """What was placed stays placed, what was not is nowhere."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2)
    with anyio.move_on_after(1) as scope:
        await subject.publish_many(Order(n=n) for n in range(5))
    assert scope.cancelled_caught
    assert numbers(take_all(subscription)) == [0, 1]


@both
async def test_publish_many_from_an_iterable_that_raises_keeps_what_went_before() -> None:
    """The iterable's own error comes out as it is."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)

    def events() -> Any:
        yield Order(n=0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await subject.publish_many(events())
    assert numbers(take_all(subscription)) == [0]


FOREIGN: list[Any] = [Shipped(n=1), "order", None, 1, Order, object()]


@pytest.mark.parametrize("event", FOREIGN, ids=["event", "str", "None", "int", "class", "object"])
@pytest.mark.parametrize("way", ["publish", "publish_nowait", "publish_many"])
@both
async def test_a_foreign_event_is_a_type_error_that_says_what_is_what(event: Any, way: str) -> None:
    """The message names the subject, what it takes and what it got; nobody got it."""
    subject: Any = Subject(Order, name="orders")
    subscription = subject.subscribe(Order)
    with pytest.raises(TypeError) as caught:
        if way == "publish":
            await subject.publish(event)
        elif way == "publish_nowait":
            subject.publish_nowait(event)
        else:
            await subject.publish_many([event])
    message = str(caught.value)
    assert "orders" in message
    assert "Order" in message
    assert (event.__name__ if isinstance(event, type) else type(event).__name__) in message
    assert take_all(subscription) == []


@both
async def test_a_foreign_event_is_refused_also_where_nobody_listens_or_it_would_wait() -> None:
    """The type is looked at first: no subscriber and a full one make no difference."""
    subject: Any = Subject(Order)
    with pytest.raises(TypeError):
        await subject.publish(Shipped(n=0))
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    with anyio.fail_after(1), pytest.raises(TypeError):
        await subject.publish(Shipped(n=0))
    assert numbers(take_all(subscription)) == [0]


@both
async def test_a_subclass_of_what_it_takes_is_taken() -> None:
    """A subject of a base class takes every subclass, also one made after the subject."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)

    class Later(BigOrder):
        note: str = ""

    await subject.publish(BigOrder(n=1))
    await subject.publish(Later(n=2, note="x"))
    assert [type(event) for event in take_all(subscription)] == [BigOrder, Later]


@both
async def test_a_subject_of_nothing_takes_any_event() -> None:
    """`Subject()` takes every Event, and nothing that is none."""
    subject: Any = Subject()
    subscription = subject.subscribe()
    await subject.publish(Order(n=1))
    await subject.publish(Shipped(n=2))
    with pytest.raises(TypeError):
        await subject.publish("text")
    assert numbers(take_all(subscription)) == [1, 2]


class Cat(Event):
    kind: Literal["cat"] = "cat"


class Dog(Event):
    kind: Literal["dog"] = "dog"


class Cow(Event):
    kind: Literal["cow"] = "cow"


@pytest.mark.parametrize(
    "types",
    [(Cat, Dog), (Cat | Dog,), (Annotated[Cat | Dog, Field(discriminator="kind")],)],
    ids=["two", "union", "discriminated"],
)
@both
async def test_types_unions_and_discriminated_unions_are_the_same(types: Any) -> None:
    """However they are written, the subject takes both classes and no third."""
    subject: Any = Subject(*types)
    everything, cats = subject.subscribe(), subject.subscribe(Cat)
    await subject.publish(Cat())
    await subject.publish(Dog())
    with pytest.raises(TypeError):
        await subject.publish(Cow())
    assert take_all(everything) == [Cat(), Dog()]
    assert take_all(cats) == [Cat()]


class Plain(BaseModel):
    n: int


@both
async def test_any_other_class_works_as_an_event_too() -> None:
    """A plain BaseModel, an int: with a callable `where`."""
    subject: Any = Subject(int, Plain)
    ints = subject.subscribe(int, where=lambda number: number > 1)
    models = subject.subscribe(Plain, where=lambda model: model.n > 1)
    for n in range(4):
        await subject.publish(n)
        await subject.publish(Plain(n=n))
    assert take_all(ints) == [2, 3]
    assert numbers(take_all(models)) == [2, 3]


@both
async def test_the_very_same_instance_reaches_everyone() -> None:
    """One instance is handed to every subscriber: no copies."""
    subject = Subject(Order)
    subscriptions = [subject.subscribe(Order) for _ in range(3)]
    event = Order(n=1)
    await subject.publish(event)
    assert all(subscription.receive_nowait() is event for subscription in subscriptions)


@both
async def test_equal_events_are_different_events() -> None:
    """Publishing the same instance three times delivers it three times."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    event = Order(n=1)
    await subject.publish_many([event, event, event])
    assert take_all(subscription) == [event, event, event]


# -- first


@both
async def test_first_is_the_next_one_from_the_call_on() -> None:
    """It sees what is published after the call, also before it is awaited; not what was before."""
    subject = Subject(Order, Shipped)
    await subject.publish(Order(n=0))
    waiter = subject.first(Order, where=Order.n > 1)
    for n in (1, 2, 3):
        await subject.publish(Order(n=n))
    assert (await waiter).n == 2


@both
async def test_first_never_holds_a_publisher() -> None:
    """A `first` that has its event and was not awaited yet does not make the next publish wait."""
    subject = Subject(Order)
    waiter = subject.first(Order)
    with anyio.fail_after(1):
        for n in range(500):
            await subject.publish(Order(n=n))
    assert (await waiter).n == 0


@both
async def test_first_gets_no_replay() -> None:
    """History is not the next one."""
    subject = Subject(Order, replay=10)
    fill(subject, 3)
    waiter = subject.first(Order)
    await subject.publish(Order(n=3))
    assert (await waiter).n == 3


@only_asyncio
async def test_first_is_a_coroutine_that_makes_a_task() -> None:
    """asyncio.create_task takes it, and the task is subscribed from the call of `first` on."""
    subject = Subject(Order)
    task = asyncio.create_task(subject.first(Order))
    await subject.publish(Order(n=1))
    assert (await task).n == 1


@both
async def test_first_takes_several_wants() -> None:
    """The next that is one of them."""
    subject = Subject(Order, Shipped, Cat)
    waiter = subject.first(Shipped, Cat)
    await subject.publish(Order(n=0))
    await subject.publish(Cat())
    await subject.publish(Shipped(n=2))
    assert await waiter == Cat()


# -- drain


@both
async def test_drain_waits_until_all_that_was_published_is_taken() -> None:
    """It returns when the readers have taken everything published before the call."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 3)
    drained = anyio.Event()

    async def drain() -> None:
        await subject.drain()
        drained.set()

    async with group() as tasks:
        tasks.start_soon(drain)
        for _ in range(3):
            await settle()
            assert not drained.is_set()
            await subscription.receive()
        await settle()
        assert drained.is_set()


@both
async def test_drain_does_not_wait_for_what_comes_after_it() -> None:
    """Events published after the call are not waited for."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 2)
    drained = anyio.Event()

    async def drain() -> None:
        await subject.drain()
        drained.set()

    async with group() as tasks:
        tasks.start_soon(drain)
        await settle()
        fill(subject, 5, 2)
        for _ in range(2):
            await subscription.receive()
        await settle()
        assert drained.is_set()
    assert len(take_all(subscription)) == 5


@both
async def test_drain_waits_for_handlers_to_end() -> None:
    """Taken and handled: an observer's handler has returned when drain returns."""
    subject = Subject(Order)
    handled: list[int] = []

    async def handle(order: Order) -> None:
        await anyio.sleep(1)
        handled.append(order.n)

    subject.observe(handle, Order)
    async with subject:
        await subject.publish_many(Order(n=n) for n in range(3))
        await subject.drain()
        assert handled == [0, 1, 2]


@both
async def test_drain_ends_where_what_it_waits_for_is_dropped_or_closed() -> None:
    """A subscription that is closed, or drops what drain waits for, no longer holds it."""
    subject = Subject(Order)
    closing = subject.subscribe(Order)
    dropping = subject.subscribe(Order, buffer=1, overflow="drop_oldest")
    fill(subject, 1)
    drained = anyio.Event()

    async def drain() -> None:
        await subject.drain()
        drained.set()

    async with group() as tasks:
        tasks.start_soon(drain)
        await settle()
        assert not drained.is_set()
        await closing.aclose()
        await subject.publish(Order(n=1))
        await settle()
        assert drained.is_set()
    assert numbers(take_all(dropping)) == [1]


@both
async def test_drain_is_bounded_by_the_callers_scope_alone() -> None:
    """Nobody reads: drain waits for ever, until its scope ends; and nothing is lost by it."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 2)
    with anyio.move_on_after(100) as scope:
        await subject.drain()
    assert scope.cancelled_caught
    assert numbers(take_all(subscription)) == [0, 1]
    with anyio.fail_after(1):
        await subject.drain()
