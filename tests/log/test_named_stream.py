"""What a log gives out says in a debugger what it is."""

from __future__ import annotations

from collections.abc import AsyncIterator

from evenflow.log._named_stream import named_stream
from evenflow.testing import MemoryLog
from tests.contract.kit import both

from .events import Ordered


@both
async def test_a_stream_of_a_log_says_what_it_reads() -> None:
    """Its classes, its condition and its bounds; an operator behind it says its own name."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log:
        offset = await orders.publish(Ordered(n=1))
        read = orders.read(Ordered, where=Ordered.n > 0, until=offset)
        assert repr(read) == f"<Stream read of orders: Ordered where Ordered.n > 0, since start until {offset}>"
        assert repr(orders.read(since=offset)) == f"<Stream read of orders: everything, since {offset} until end>"
        assert repr(orders.scheduled()) == "<Stream scheduled events of orders>"
        assert repr(orders.dead_letters("g")) == "<Stream dead letters of group g of orders>"
        assert await read.map(lambda record: record.event.n).to_list() == [1]
        assert repr(orders.read().map(str)) == "<Stream map>"


@both
async def test_it_begins_anew_at_each_start() -> None:
    """As any stream of a function: ``repeat`` calls that again."""

    async def three() -> AsyncIterator[int]:
        for n in range(3):
            yield n

    made = named_stream("three numbers", three)
    assert repr(made) == "<Stream three numbers>"
    assert await made.repeat(2).to_list() == [0, 1, 2, 0, 1, 2]


@both
async def test_deliveries_and_their_batches_say_how_they_stand() -> None:
    """How many were fetched, that they are closed, and from where to where a batch goes."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log:
        offsets = await orders.publish_many(Ordered(n=n) for n in range(3))
        deliveries = orders.deliveries("g")
        assert repr(deliveries) == "<Deliveries g of group g wants everything, not entered>"
        async with deliveries:
            batches = deliveries.batches(2, within=1.0)
            batch = await batches.receive()
            assert repr(batch) == f"<Batch of 2 deliveries of group g, {offsets[0]} to {offsets[1]}>"
            assert repr(deliveries) == "<Deliveries g of group g wants everything, 1/64>"
        assert repr(deliveries) == "<Deliveries g of group g wants everything, closed>"
