"""What type checkers know of Subject, Subscription, observers, State, Publisher and Source."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Coroutine
from typing import Annotated, Any, Generic, Literal, TypeVar, assert_type

import anyio.abc
from pydantic import BaseModel, Field

from evenflow import (
    Event,
    Gap,
    Observer,
    ObserverFailed,
    Publisher,
    Source,
    State,
    Stream,
    Subject,
    SubjectStatistics,
    Subscription,
    SubscriptionStatistics,
    one_of,
    when,
)


class Placed(Event):
    order_id: int
    region: str
    express: bool = False


class Shipped(Event):
    order_id: int
    carrier: str


class Paid(Event):
    order_id: int


class Lost(Event):
    order_id: int


class Found(Event):
    order_id: int


class BigPlaced(Placed):
    discount: int = 0


class Marked(Event, ABC):
    @abstractmethod
    def mark(self) -> str: ...


class Cat(Event):
    kind: Literal["cat"] = "cat"


class Dog(Event):
    kind: Literal["dog"] = "dog"


class Plain(BaseModel):
    n: int


# -- making one

assert_type(Subject(), Subject[Event])
assert_type(Subject(Placed), Subject[Placed])
assert_type(Subject(Placed, Shipped), Subject[Placed | Shipped])
assert_type(Subject(Placed, Shipped, Paid), Subject[Placed | Shipped | Paid])
assert_type(Subject(Placed, Shipped, Paid, Lost), Subject[Placed | Shipped | Paid | Lost])
assert_type(Subject(Placed | Shipped), Subject[Placed | Shipped])
assert_type(Subject(Placed | Shipped | Paid | Lost | Found), Subject[Placed | Shipped | Paid | Lost | Found])
assert_type(Subject(Annotated[Cat | Dog, Field(discriminator="kind")]), Subject[Cat | Dog])
assert_type(Subject(Marked), Subject[Marked])
assert_type(Subject(int), Subject[int])
assert_type(Subject(Plain, int), Subject[Plain | int])
assert_type(Subject(Placed, name="placed", replay=10, replay_by=Placed.region, replay_keys=5), Subject[Placed])
annotated: Subject[Placed | Shipped] = Subject(Placed | Shipped)
Subject(Placed, nmae="x")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
Subject(Placed, replay="x")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]

E = TypeVar("E")


class Bus(Subject[E], Generic[E]):
    """A subclass of Subject."""


assert_type(Bus(Placed | Shipped), Bus[Placed | Shipped])
assert_type(Bus(Placed), Bus[Placed])

one = Subject(Placed)
both = Subject(Placed, Shipped)
five = Subject(Placed | Shipped | Paid | Lost | Found)
anything = Subject()


# -- publishing


async def publishing() -> None:
    assert_type(await both.publish(Placed(order_id=1, region="eu")), int)
    assert_type(both.publish_nowait(Shipped(order_id=1, carrier="x")), int)
    assert_type(await both.publish_many([Placed(order_id=1, region="eu"), Shipped(order_id=1, carrier="x")]), int)
    assert_type(both.publish_from_thread(Shipped(order_id=1, carrier="x"), timeout=1), int)
    await one.publish(BigPlaced(order_id=1, region="eu"))
    await anything.publish(Paid(order_id=1))
    await one.publish(Shipped(order_id=1, carrier="x"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    one.publish_nowait(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await one.publish_many([Paid(order_id=1)])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await one.publish(event=Placed(order_id=1, region="eu"))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await one.publish(Placed(order_id=1, region="eu"), timeout=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# -- subscribing

assert_type(one.subscribe(), Subscription[Placed])
assert_type(both.subscribe(), Subscription[Placed | Shipped])
assert_type(both.subscribe(Placed), Subscription[Placed])
assert_type(both.subscribe(Placed, Shipped), Subscription[Placed | Shipped])
assert_type(both.subscribe(Placed | Shipped), Subscription[Placed | Shipped])
assert_type(one.subscribe(BigPlaced), Subscription[BigPlaced])
assert_type(five.subscribe(Placed, Shipped, Paid), Subscription[Placed | Shipped | Paid])
assert_type(five.subscribe(Placed, Shipped, Paid, Lost), Subscription[Placed | Shipped | Paid | Lost])
assert_type(both.subscribe(where=lambda event: event.order_id > 1), Subscription[Placed | Shipped])
assert_type(both.subscribe(Placed, where=lambda event: event.region == "eu"), Subscription[Placed])
assert_type(both.subscribe(Placed, where=Placed.region == "eu"), Subscription[Placed])
assert_type(both.subscribe(Placed, where=(Placed.order_id > 1) & (Placed.region == "eu")), Subscription[Placed])
assert_type(both.subscribe(Placed, where=~when(Placed.region == "eu")), Subscription[Placed])
assert_type(both.subscribe(Placed, where=one_of(Placed.region, "eu", "us")), Subscription[Placed])
assert_type(both.subscribe(Placed, where=Placed.express), Subscription[Placed])
assert_type(both.subscribe(Placed, buffer=5, overflow="drop_oldest", name="n", replay=False), Subscription[Placed])
assert_type(both.subscribe(Placed, replay=2), Subscription[Placed])
both.subscribe(Placed, replay="x")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
assert_type(both.subscribe(Placed, conflate=Placed.region), Subscription[Placed])
assert_type(both.subscribe(Placed, conflate=lambda event: event.region), Subscription[Placed])
assert_type(both.subscribe(gaps=True), Subscription[Placed | Shipped | Gap])
assert_type(both.subscribe(Placed, gaps=True), Subscription[Placed | Gap])
assert_type(both.subscribe(Placed, Shipped, gaps=True), Subscription[Placed | Shipped | Gap])
assert_type(both.subscribe(Placed, gaps=False), Subscription[Placed])
both.subscribe(Placed, where=lambda event: event.regin == "eu")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]
both.subscribe(Placed, overflow="blok")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
both.subscribe(Placed, buffer="5")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
both.subscribe(Placed, buffr=5)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
both.subscribe(where=Placed.regin == "eu")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]


# -- reading


async def reading() -> None:
    async with both.subscribe(Placed, where=Placed.region == "eu") as placed:
        assert_type(placed, Subscription[Placed])
        assert_type(await placed.receive(), Placed)
        assert_type(placed.receive_nowait(), Placed)
        async for order in placed:
            assert_type(order, Placed)
        async for batch in placed.batches():
            assert_type(batch, tuple[Placed, ...])
        assert_type(placed.statistics(), SubscriptionStatistics)
        assert_type(placed.statistics().waiting, int)
        waiting: Awaitable[None] = placed.ended
        assert_type(await waiting, None)
        assert_type(await placed.ended, None)
        assert_type(placed.reason, BaseException | None)
        async with placed.cancelling(grace=1.0) as nothing:
            assert_type(nothing, None)
        async with placed.cancelling():
            pass
        await placed.aclose()
    async with both.subscribe(Placed, gaps=True) as gapped:
        async for item in gapped:
            assert_type(item, Placed | Gap)
            if isinstance(item, Gap):
                assert_type(item.count, int)
            else:
                assert_type(item.region, str)


as_stream: Stream[Placed] = both.subscribe(Placed)
as_anyio: anyio.abc.ObjectReceiveStream[Placed] = both.subscribe(Placed)
wider: Subscription[Placed | Shipped] = both.subscribe(Placed)
narrower: Subscription[BigPlaced] = one.subscribe(Placed)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]


# -- first


async def awaiting_first() -> None:
    assert_type(await both.first(), Placed | Shipped)
    assert_type(await both.first(Placed), Placed)
    assert_type(await both.first(Placed, Shipped), Placed | Shipped)
    assert_type(await both.first(Placed | Shipped), Placed | Shipped)
    assert_type(await five.first(Placed, Shipped, Paid), Placed | Shipped | Paid)
    assert_type(await both.first(Placed, where=Placed.region == "eu"), Placed)
    assert_type(await both.first(Placed, where=lambda event: event.region == "eu"), Placed)
    later = both.first(Placed)
    _ = assert_type(later, Coroutine[Any, Any, Placed])
    assert_type(await asyncio.create_task(both.first(Placed)), Placed)
    both.first(Placed)  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]


# -- observers


async def on_placed(order: Placed) -> None: ...


def on_placed_sync(order: Placed) -> None: ...


async def on_either(event: Placed | Shipped) -> None: ...


async def on_shipped(event: Shipped) -> None: ...


async def on_event(event: Event) -> None: ...


assert_type(both.observe(on_placed, Placed), Observer)
assert_type(both.observe(on_placed_sync, Placed), Observer)
assert_type(both.observe(on_either, Placed, Shipped), Observer)
assert_type(both.observe(on_either, Placed | Shipped), Observer)
assert_type(both.observe(on_either, Placed), Observer)
assert_type(both.observe(on_event, Placed), Observer)
assert_type(both.observe(on_either), Observer)
assert_type(both.observe(on_placed, Placed, concurrency=4, where=Placed.region == "eu", buffer=3), Observer)
both.observe(on_placed, Placed).detach()
assert_type(both.observe(on_placed, Placed).ended, bool)
both.observe(on_shipped, Placed)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
both.observe(on_placed, Placed, concurency=4)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


@both.observer
async def bare(order: Placed) -> None: ...


@both.observer(Placed)
async def called(order: Placed) -> str:
    return order.region


@both.observer(Placed, Shipped)
def called_with_two(event: Placed | Shipped) -> None: ...


@both.observer(Placed, where=Placed.region == "eu", overflow="drop_oldest", concurrency=2)
async def with_options(order: Placed) -> None: ...


@both.observer(where=Placed.region == "eu")
async def with_options_alone(order: Placed) -> None: ...


@both.observer  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
async def bare_with_two_parameters(order: Placed, retries: int) -> None: ...


@both.observer(Placed)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportUntypedFunctionDecorator]
async def called_with_two_parameters(order: Placed, retries: int) -> None: ...


@both.observer
async def bare_with_a_default(order: Placed, retries: int = 3) -> None: ...


class Mailer:
    @both.observer  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
    async def method(self, order: Placed) -> None: ...


async def functions_stay_what_they_are() -> None:
    order = Placed(order_id=1, region="eu")
    assert_type(await bare(order), None)
    assert_type(await called(order), str)
    assert_type(called_with_two(order), None)
    assert_type(await with_options(order), None)
    await called(Shipped(order_id=1, carrier="x"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- failures


async def failures() -> None:
    assert_type(both.failures, Subject[ObserverFailed])
    async with both.failures.subscribe() as failed:
        async for failure in failed:
            assert_type(failure, ObserverFailed)
            assert_type(failure.error, Exception)
            assert_type(failure.observer, Observer)


# -- life


async def life() -> None:
    async with both as entered:
        assert_type(entered, Subject[Placed | Shipped])
    async with Bus(Placed) as bus:
        assert_type(bus, Bus[Placed])
    assert_type(await both.drain(), None)
    assert_type(await both.drain(observers_only=True), None)
    assert_type(await both.aclose(), None)
    assert_type(both.close(), None)
    both.close(ValueError("why"))
    both.close("why")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(both.statistics(), SubjectStatistics)
    assert_type(both.statistics().subscriptions, tuple[SubscriptionStatistics, ...])


# -- handing it on by one of its ends


async def publish_placed(publisher: Publisher[Placed]) -> None:
    await publisher.publish(Placed(order_id=1, region="eu"))


async def publish_big(publisher: Publisher[BigPlaced]) -> None:
    await publisher.publish(BigPlaced(order_id=1, region="eu"))


async def read_events(source: Source[Event]) -> None:
    async with source.subscribe() as events:
        assert_type(events, Subscription[Event])


async def read_placed(source: Source[Placed]) -> None:
    async with source.subscribe() as events:
        assert_type(await events.receive(), Placed)


async def ends() -> None:
    await publish_placed(one)
    await publish_placed(both)
    await publish_placed(anything)
    await publish_big(one)
    big = Subject(BigPlaced)
    await publish_placed(big)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await publish_placed(Subject(Shipped))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await read_placed(one)
    await read_placed(Subject(BigPlaced))
    await read_events(both)
    await read_placed(both)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# -- State

number = State(1)
assert_type(number, State[int])
assert_type(number.value, int)
assert_type(number.set(2), None)
number.update(lambda value: value + 1)
number.set("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
number.value = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
number.update(lambda value: str(value))  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType]
optional: State[int | None] = State(None)
assert_type(optional.value, int | None)


async def states() -> None:
    assert_type(await number.wait_for(lambda value: value > 3), int)
    async with number.subscribe() as values:
        assert_type(values, Subscription[int])
        async for value in values:
            assert_type(value, int)
    number.close()
    await number.wait_for(lambda value: value.upper())  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]
