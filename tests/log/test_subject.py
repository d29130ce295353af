"""DurableSubject: a publisher and a source, typed, and used as the other subject is."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow import Publisher, Source, Subject
from evenflow.log import ConsumerFailed
from evenflow.streams import stream
from tests.contract.kit import both

from .events import Ordered, Shipped, opened


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
