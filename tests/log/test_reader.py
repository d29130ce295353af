"""Reading what is stored: page by page, from one place to another, as often as one likes."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow.testing import MemoryLog
from tests.contract.kit import both

from .events import Ordered, Shipped, opened


@both
async def test_it_ends_with_what_was_there_at_the_first_read() -> None:
    """What is published while it is read is not in it; started again, it is."""
    async with opened() as (orders, _):
        await orders.publish_many(Ordered(n=n) for n in range(700))
        records = orders.read()
        first = await records.receive()
        await orders.publish(Ordered(n=700))
        assert [first.event.n, *[record.event.n async for record in records]] == list(range(700))
        assert len(await orders.read().to_list()) == 701


@both
async def test_wants_and_conditions_choose() -> None:
    """As for a subscription, over more than one page."""
    async with opened() as (orders, _):
        for n in range(600):
            await orders.publish(Ordered(n=n) if n % 3 else Shipped(n=n))
        assert len(await orders.read(Shipped).to_list()) == 200
        found = await orders.read(Ordered, where=Ordered.n > 590).to_list()
        assert [record.event.n for record in found] == [592, 593, 595, 596, 598, 599][-len(found) :]
        assert len(await orders.read(where=lambda event: event.n == 3).to_list()) == 1


@both
async def test_it_is_a_stream_with_all_operators() -> None:
    """A reader is the source of a chain."""
    async with opened() as (orders, _):
        await orders.publish_many(Ordered(n=n) for n in range(5))
        assert await orders.read(Ordered).map(lambda record: record.event.n).filter(lambda n: n % 2 == 0).to_list() == [
            0,
            2,
            4,
        ]


@both
async def test_a_log_that_was_closed_meanwhile_says_so() -> None:
    """The next page cannot be read."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.publish_many(Ordered(n=n) for n in range(600))
        records = orders.read()
        await records.receive()
    with pytest.raises(RuntimeError, match="not open"):
        async for _ in records:
            await anyio.lowlevel.checkpoint()


def test_a_place_that_is_none_is_refused_where_it_is_written() -> None:
    """Words other than the known ones, and naive times."""
    orders: Any = MemoryLog().subject("orders", Ordered)
    for wrong in ({"since": "later"}, {"until": "now"}, {"since": 5}):
        with pytest.raises((TypeError, ValueError)):
            orders.read(**wrong)
