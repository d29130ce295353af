"""DurableSubject: a publisher and a source, typed, and used as the other subject is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest

from evenflow import Publisher, Source, Subject
from evenflow.log import Consumer, ConsumerFailed, Delivery
from evenflow.log._transaction import Transaction
from evenflow.streams import stream
from tests.contract.kit import both, settle

from .events import Ordered, Shipped, opened

if TYPE_CHECKING:
    from evenflow._handling import Handled


@both
async def test_it_is_a_publisher_and_a_source() -> None:
    """Whatever takes one of the ends of a subject takes a durable one."""
    async with opened() as (orders, _):
        publisher: Publisher[Ordered] = orders
        source: Source[Ordered | Shipped] = orders
        async with source.subscribe() as feed:
            await publisher.publish(Ordered(n=1))
            assert (await feed.receive()).n == 1
        async with stream(orders).map(lambda order: order.n) as chain:
            await orders.publish(Ordered(n=2))
            assert await chain.receive() == 2
        memory = Subject(Ordered)
        async with memory.subscribe() as feed:
            await orders.read(Ordered).map(lambda record: record.event).publish_to(memory)
            assert [(await feed.receive()).n for _ in range(2)] == [1, 2]


@both
async def test_failures_never_make_a_handler_wait() -> None:
    """Its subscriptions drop the oldest, and "block" is refused."""
    async with opened() as (orders, _):
        failures: Subject[ConsumerFailed] = orders.failures
        assert orders.failures is failures
        with pytest.raises(ValueError, match="block"):
            failures.subscribe(overflow="block")


@both
async def test_nonsense_of_a_subscription_is_refused_where_it_is_written() -> None:
    """As for a subject in memory."""
    async with opened() as (subject, _):
        orders: Any = subject
        for options in (
            {"buffer": 0},
            {"overflow": "wait"},
            {"since": "yesterday"},
            {"where": True},
            {"conflate": 5},
            {"name": 5},
        ):
            with pytest.raises((TypeError, ValueError)):
                orders.subscribe(Ordered, **options)
        with pytest.raises(ValueError, match="int"):
            orders.subscribe(int)
        with pytest.raises((TypeError, ValueError)):
            orders.first(int)
        with pytest.raises(TypeError, match="condition"):
            await orders.redrive("g", "all", where=lambda letter: True)


class Follower:
    """Who follows a durable subject, and notes what it is asked."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def stamp(self, headers: Mapping[str, str] | None, /) -> Mapping[str, str] | None:
        """One header more."""
        return {**(headers or {}), "by": "follower"}

    def handle(
        self, consumer: Consumer, delivery: Delivery[Any], context: Context, call: Callable[[Context], Handled], /
    ) -> Handled:
        """Note it."""
        self.heard.append((consumer.name, delivery.event, dict(delivery.headers)))
        return call(context)

    def inside(self, deliveries: Sequence[Delivery[Any]], /, *, batch: bool) -> AbstractContextManager[None]:
        """Note it."""
        self.heard.append((len(deliveries), batch))
        return nullcontext()


@both
async def test_whoever_follows_a_subject_stamps_what_is_published_and_is_around_what_is_handled() -> None:
    """By consumers that were there and that come, and in blocks of deliveries that are asked for from then on."""
    async with opened() as (orders, _):
        follower = Follower()
        orders.consume("a", lambda event: None, Ordered, name="a")
        orders._trace(follower)
        orders.consume("b", lambda event: None, Ordered, name="b")
        await orders.publish(Ordered(n=1))
        await settle()
        async with orders.deliveries("c") as deliveries:
            async with await deliveries.receive():
                pass
            orders._trace(None)
            await orders.publish(Ordered(n=3))
            async with await deliveries.receive():
                pass
            await settle()
            orders._trace(follower)
            await orders.publish(Ordered(n=1))
            async with await deliveries.receive():
                pass
            await settle()
        orders._trace(None)
        await orders.publish(Ordered(n=2))
        await settle()
        async with orders.deliveries("c") as deliveries, await deliveries.receive():
            pass
    handled = (Ordered(n=1), {"by": "follower"})
    expected = 2 * [("a", *handled), ("b", *handled), (1, False)]
    assert sorted(follower.heard, key=str) == sorted(expected, key=str)


@both
async def test_each_event_that_this_process_has_stored_is_counted() -> None:
    """Once for each, in whatever way; what was refused or rolled back is not."""
    async with opened() as (orders, _):
        await orders.publish(Ordered(n=1))
        await orders.publish_many([Ordered(n=2), Ordered(n=3)])
        await orders.schedule(Ordered(n=4), after=60.0)
        with pytest.raises(TypeError):
            await orders.publish("no event")  # type: ignore[arg-type]  # that is the point
        async with Transaction(orders._openings) as transaction:
            transaction.publish(orders, Ordered(n=5))
        with suppress(LookupError):
            async with Transaction(orders._openings) as transaction:
                transaction.publish(orders, Ordered(n=6))
                raise LookupError
        assert orders._sent == 5
