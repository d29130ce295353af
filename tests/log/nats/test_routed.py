"""What a condition on a routed field excludes stays off the network; counted in bytes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import anyio
import pytest

from evenflow import Event
from evenflow.log._nats import _marks
from tests.proxy import Proxy
from tests.servers import fresh_nats_name, nats

from .kit import log_on, needs_nats, on_asyncio

pytestmark = needs_nats

REGIONS = 100
ROUNDS = 10
SIZE = 1_000


class Sold(Event):
    """An event of a kilobyte, of one of a hundred regions."""

    n: int
    region: str
    more: str = "x" * SIZE


ONE_PERCENT: Any = Sold.region == "r.7"


class Two(NamedTuple):
    """Two processes: one that publishes, and one whose connection is measured."""

    writer: Any
    reader: Any
    proxy: Proxy

    async def publish(self, rounds: int = ROUNDS) -> int:
        """Events of all regions; returns their bytes."""
        for start in range(0, rounds * REGIONS, REGIONS):
            await self.writer.publish_many(Sold(n=start + n, region=f"r.{n}") for n in range(REGIONS))
        return rounds * REGIONS * SIZE


@asynccontextmanager
async def two() -> AsyncGenerator[Two]:
    """A subject in two processes."""
    name = fresh_nats_name()
    async with Proxy(nats().port) as proxy:
        writer, reader = log_on(name=name), log_on(f"nats://127.0.0.1:{proxy.port}", name=name)
        async with writer, reader:
            one, other = (log.subject("sales", Sold, routed_by=Sold.region) for log in (writer, reader))
            yield Two(one, other, proxy)


@on_asyncio
async def test_one_percent_of_history_takes_few_of_the_bytes() -> None:
    """Without a condition it takes all of them."""
    async with two() as both:
        stored = await both.publish()
        before = both.proxy.bytes_from_server
        found = [record.event.n async for record in both.reader.read(where=ONE_PERCENT)]
        assert found == list(range(7, ROUNDS * REGIONS, REGIONS))
        assert both.proxy.bytes_from_server - before < stored / 10
        before = both.proxy.bytes_from_server
        assert len([record async for record in both.reader.read()]) == ROUNDS * REGIONS
        assert both.proxy.bytes_from_server - before > stored


@on_asyncio
async def test_one_percent_that_is_live_takes_few_of_the_bytes() -> None:
    """Nor is this process told of each event that is stored."""
    async with two() as both, both.reader.subscribe(where=ONE_PERCENT) as sales:
        await both.publish(1)  # by now it is known by what events are routed
        assert (await sales.receive()).n == 7
        before = both.proxy.bytes_from_server
        stored = await both.publish()
        assert [(await sales.receive()).n for _ in range(ROUNDS)] == list(range(7, ROUNDS * REGIONS, REGIONS))
        assert both.proxy.bytes_from_server - before < stored / 10


@on_asyncio
async def test_a_group_that_wants_one_percent_takes_few_of_the_bytes() -> None:
    """Claiming, acknowledging and counting what is due included."""
    async with two() as both:
        stored = await both.publish()
        before = both.proxy.bytes_from_server
        async with both.reader.deliveries("sevens", where=ONE_PERCENT) as deliveries:
            for n in range(7, ROUNDS * REGIONS, REGIONS):
                async with await deliveries.receive() as delivery:
                    assert delivery.event.n == n
            (group,) = await both.reader.groups()
            assert (group.due, group.in_hand) == (0, 0)
        assert both.proxy.bytes_from_server - before < stored / 10


@on_asyncio
async def test_whoever_joins_is_told_of_what_nobody_has_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Although another one waits already, for something else, and would look again only much later."""
    monkeypatch.setattr(_marks, "LONGEST", 1e6)
    monkeypatch.setattr(_marks, "SECOND_LOOK", 1e6)
    async with two() as both, both.reader.subscribe(where=ONE_PERCENT) as sevens:
        await both.publish(1)
        assert (await sevens.receive()).n == 7
        await anyio.wait_all_tasks_blocked()
        async with both.reader.subscribe(where=Sold.region == "r.8") as eights:
            for n in range(3):
                await both.writer.publish(Sold(n=n, region="r.8"))
                with anyio.fail_after(30):
                    assert (await eights.receive()).n == n
