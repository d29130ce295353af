"""Section 2, publishing: publish, publish_nowait, publish_many, first and drain: what they take, return and refuse."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio
import pytest
from pydantic import BaseModel, Field

from evenflow import Event

from .kit import (
    BigOrder,
    Counted,
    Order,
    Shipped,
    Subject,
    Tick,
    both,
    fill,
    group,
    numbers,
    only_asyncio,
    settle,
    take_all,
)

if TYPE_CHECKING:
    from anyio.abc import TaskGroup


@both
async def test_publish_returns_how_many_subscriptions_wanted_it() -> None:
    """Subscriptions that want the event are counted whether they had room or dropped it; the others are not."""
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
    """It returns the sum of what each publish would have returned, and 0 for no events."""
    subject = Subject(Order, Shipped)
    orders, everything = subject.subscribe(Order), subject.subscribe()
    assert await subject.publish_many([]) == 0
    assert await subject.publish_many([Order(n=0), Shipped(n=1), Order(n=2)]) == 5
    assert numbers(take_all(orders)) == [0, 2]
    assert numbers(take_all(everything)) == [0, 1, 2]


@both
async def test_publish_many_draws_the_next_event_when_the_last_was_delivered() -> None:
    """It draws one event more than the buffer holds and not all at once: the iterable may be endless."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2)
    events = Counted(10)
    async with group() as tasks:
        tasks.start_soon(subject.publish_many, events)
        await settle()
        assert events.drawn == 3
        await subscription.receive()
        await settle()
        assert events.drawn == 4


@both
async def test_events_of_others_may_come_between_those_of_publish_many() -> None:
    """publish_many publishes each event by itself: another publisher's event can come between."""
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
async def test_publish_many_that_is_cancelled_has_delivered_what_went_before() -> None:
    """Events before the cancellation were delivered, and the others were not."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2)
    with anyio.move_on_after(1) as scope:
        await subject.publish_many(Order(n=n) for n in range(5))
    assert scope.cancelled_caught
    assert numbers(take_all(subscription)) == [0, 1]


@both
async def test_publish_many_of_an_iterable_that_raises_has_delivered_what_went_before() -> None:
    """publish_many raises the error of the iterable."""
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
async def test_an_event_of_another_type_is_a_type_error_that_names_both(event: Any, way: str) -> None:
    """The message names the subject, what it takes and what it got; nobody got the event."""
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
async def test_an_event_of_another_type_is_refused_also_without_subscribers_or_room() -> None:
    """The type is checked first."""
    subject: Any = Subject(Order)
    with pytest.raises(TypeError):
        await subject.publish(Shipped(n=0))
    subscription = subject.subscribe(Order, buffer=1)
    fill(subject, 1)
    with anyio.fail_after(1), pytest.raises(TypeError):
        await subject.publish(Shipped(n=0))
    assert numbers(take_all(subscription)) == [0]


@both
async def test_a_subject_takes_subclasses_of_its_type() -> None:
    """A subject of a base class takes every subclass, also one that was defined later."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)

    class Later(BigOrder):
        note: str = ""

    await subject.publish(BigOrder(n=1))
    await subject.publish(Later(n=2, note="x"))
    assert [type(event) for event in take_all(subscription)] == [BigOrder, Later]


@both
async def test_a_subject_without_types_takes_any_event() -> None:
    """`Subject()` takes every Event and nothing else."""
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
    """However the two classes are written, the subject takes both and no third."""
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
    """A plain BaseModel or an int can be published, and `where` is a callable then."""
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
    """Every subscriber gets the same instance and no copy."""
    subject = Subject(Order)
    subscriptions = [subject.subscribe(Order) for _ in range(3)]
    event = Order(n=1)
    await subject.publish(event)
    assert all(subscription.receive_nowait() is event for subscription in subscriptions)


@both
async def test_an_instance_published_three_times_is_delivered_three_times() -> None:
    """Equal events are different events."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    event = Order(n=1)
    await subject.publish_many([event, event, event])
    assert take_all(subscription) == [event, event, event]


# -- first


@both
async def test_first_returns_the_next_event_after_the_call() -> None:
    """It sees events that are published before it is awaited, and none that were published before the call."""
    subject = Subject(Order, Shipped)
    await subject.publish(Order(n=0))
    waiter = subject.first(Order, where=Order.n > 1)
    for n in (1, 2, 3):
        await subject.publish(Order(n=n))
    assert (await waiter).n == 2


@both
async def test_first_never_holds_a_publisher() -> None:
    """A `first` that has its event and was not awaited yet makes no publish wait."""
    subject = Subject(Order)
    waiter = subject.first(Order)
    with anyio.fail_after(1):
        for n in range(500):
            await subject.publish(Order(n=n))
    assert (await waiter).n == 0


@both
async def test_first_gets_no_replay() -> None:
    """`first` returns the next event and none of the history."""
    subject = Subject(Order, replay=10)
    fill(subject, 3)
    waiter = subject.first(Order)
    await subject.publish(Order(n=3))
    assert (await waiter).n == 3


@only_asyncio
async def test_first_can_be_made_a_task() -> None:
    """`asyncio.create_task` takes it, and it is subscribed from the call of `first` on."""
    subject = Subject(Order)
    task = asyncio.create_task(subject.first(Order))
    await subject.publish(Order(n=1))
    assert (await task).n == 1


@both
async def test_first_takes_several_wants() -> None:
    """It returns the next event that is of one of the classes."""
    subject = Subject(Order, Shipped, Cat)
    waiter = subject.first(Shipped, Cat)
    await subject.publish(Order(n=0))
    await subject.publish(Cat())
    await subject.publish(Shipped(n=2))
    assert await waiter == Cat()


# -- drain


async def draining(tasks: TaskGroup, subject: Subject[Any]) -> anyio.Event:
    """Drain in a task of its own, which has begun when this returns; the event is set when it has ended."""
    drained = anyio.Event()

    async def drain() -> None:
        await subject.drain()
        drained.set()

    tasks.start_soon(drain)
    await settle()
    return drained


@both
async def test_drain_waits_until_all_that_was_published_was_received() -> None:
    """It returns when readers have received everything that was published before the call."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 3)
    async with group() as tasks:
        drained = await draining(tasks, subject)
        for _ in range(3):
            await settle()
            assert not drained.is_set()
            await subscription.receive()
        await settle()
        assert drained.is_set()


@both
async def test_drain_does_not_wait_for_what_comes_after_it() -> None:
    """It does not wait for events that are published after the call."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 2)
    async with group() as tasks:
        drained = await draining(tasks, subject)
        fill(subject, 5, 2)
        for _ in range(2):
            await subscription.receive()
        await settle()
        assert drained.is_set()
    assert len(take_all(subscription)) == 5


@both
async def test_drain_waits_for_handlers_to_end() -> None:
    """When drain returns, the observers' handlers have returned for each event."""
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
async def test_drain_does_not_wait_for_dropped_events_and_closed_subscriptions() -> None:
    """It returns when what it waits for was dropped, or its subscription was closed."""
    subject = Subject(Order)
    closing = subject.subscribe(Order)
    dropping = subject.subscribe(Order, buffer=1, overflow="drop_oldest")
    fill(subject, 1)
    async with group() as tasks:
        drained = await draining(tasks, subject)
        assert not drained.is_set()
        await closing.aclose()
        await subject.publish(Order(n=1))
        await settle()
        assert drained.is_set()
    assert numbers(take_all(dropping)) == [1]


@both
async def test_drain_is_bounded_by_the_callers_scope_alone() -> None:
    """If nobody reads drain waits until its scope is cancelled, and no event is lost by that."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order)
    fill(subject, 2)
    with anyio.move_on_after(100) as scope:
        await subject.drain()
    assert scope.cancelled_caught
    assert numbers(take_all(subscription)) == [0, 1]
    with anyio.fail_after(1):
        await subject.drain()


@both
async def test_drain_waits_for_a_conflated_event() -> None:
    """An event that replaced another is waited for as well: until it is read, or replaced by one that came later."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol)
    for symbol, price in (("a", 1), ("b", 1), ("a", 2)):
        await subject.publish(Tick(symbol=symbol, price=price))
    async with group() as tasks:
        drained = await draining(tasks, subject)
        assert not drained.is_set()
        await subject.publish(Tick(symbol="c", price=1))
        assert (await subscription.receive()) == Tick(symbol="a", price=2)
        await settle()
        assert not drained.is_set()
        await subject.publish(Tick(symbol="b", price=2))
        await settle()
        assert drained.is_set()
    assert [tick.symbol for tick in take_all(subscription)] == ["b", "c"]


@both
async def test_drain_waits_for_the_replay_of_a_conflated_subscription() -> None:
    """What it was given first has to be read, whether or not anything was published since."""
    subject = Subject(Tick, replay=2)
    for price in (1, 2):
        await subject.publish(Tick(symbol="a", price=price))
    subscription = subject.subscribe(Tick, conflate=Tick.symbol)
    async with group() as tasks:
        drained = await draining(tasks, subject)
        await subscription.receive()
        await settle()
        assert not drained.is_set()
        await subscription.receive()
        await settle()
        assert drained.is_set()


@pytest.mark.parametrize("replay", [0, 3])
@pytest.mark.parametrize("overflow, kept", [("drop_oldest", [3, 4]), ("drop_newest", [0, 1])])
@both
async def test_drain_waits_for_what_drops_have_left_and_for_no_more(
    overflow: Any, kept: list[int], replay: int
) -> None:
    """Some events are read, some dropped, some a replay: drain ends with the last of those that are left."""
    subject = Subject(Order, replay=replay)
    fill(subject, replay, -replay)
    subscription = subject.subscribe(Order, buffer=2, overflow=overflow)
    fill(subject, 5)
    left = [*range(-replay, 0), *kept]
    async with group() as tasks:
        drained = await draining(tasks, subject)
        for number in left:
            await settle()
            assert not drained.is_set()
            assert (await subscription.receive()).n == number
        await settle()
        assert drained.is_set()


@both
async def test_drain_with_a_replay_does_not_wait_for_what_drop_oldest_drops_meanwhile() -> None:
    """All that was buffered is dropped while it waits: then it waits for the replay alone."""
    subject = Subject(Order, replay=1)
    fill(subject, 1)
    subscription = subject.subscribe(Order, buffer=2, overflow="drop_oldest")
    fill(subject, 2, 1)
    async with group() as tasks:
        drained = await draining(tasks, subject)
        fill(subject, 2, 3)
        await settle()
        assert not drained.is_set()
        assert (await subscription.receive()).n == 0
        await settle()
        assert drained.is_set()
    assert numbers(take_all(subscription)) == [3, 4]


@both
async def test_a_replay_that_drain_waits_for_does_not_stand_for_what_is_live() -> None:
    """Reading as many events of the replay as live ones were buffered does not end it."""
    subject = Subject(Order, replay=3)
    fill(subject, 3)
    subscription = subject.subscribe(Order, buffer=3)
    fill(subject, 3, 3)
    async with group() as tasks:
        drained = await draining(tasks, subject)
        for _ in range(5):
            await subscription.receive()
            await settle()
            assert not drained.is_set()
        await subscription.receive()
        await settle()
        assert drained.is_set()


@both
async def test_drain_waits_for_every_handler_that_runs_at_once() -> None:
    """With concurrency, the last of the handlers ends it, in whatever order they end."""
    subject = Subject(Order)
    may_end = {n: anyio.Event() for n in range(3)}

    async def handle(order: Order) -> None:
        await may_end[order.n].wait()

    subject.observe(handle, Order, concurrency=3)
    async with subject, group() as tasks:
        fill(subject, 3)
        await settle()
        drained = await draining(tasks, subject)
        for n in (2, 0, 1):
            assert not drained.is_set()
            may_end[n].set()
            await settle()
        assert drained.is_set()
