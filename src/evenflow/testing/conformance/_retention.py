"""Retention: what goes, what stays, and that nobody is left in the dark."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from evenflow import Gap
from evenflow.log import OffsetExpired, Retain
from evenflow.testing.conformance._kit import Maker, Ordered, numbers, on_every_log, on_every_log_that_has, take, until


async def until_left(orders: Any, wanted: list[int]) -> None:
    """Wait until just these are stored."""

    async def are_left() -> bool:
        return numbers([record.event for record in await orders.read().to_list()]) == wanted

    await until(are_left)


@on_every_log
async def test_the_oldest_go_where_there_are_too_many(make: Maker) -> None:
    """``events=5`` keeps the newest five, and offsets go on growing."""
    log = make()
    orders = log.subject("orders", Ordered, retain=Retain(events=5))
    async with log:
        offsets = await orders.publish_many(Ordered(n=n) for n in range(20))
        await until_left(orders, [15, 16, 17, 18, 19])
        assert await orders.end() == offsets[-1]
        assert await orders.publish(Ordered(n=20)) > offsets[-1]
        await until_left(orders, [16, 17, 18, 19, 20])


@on_every_log
async def test_what_is_too_old_goes_by_itself(make: Maker) -> None:
    """``age`` removes events although nothing new is published."""
    log = make()
    orders = log.subject("orders", Ordered, retain=Retain(age=timedelta(seconds=0.3)))
    async with log:
        end = await orders.publish(Ordered(n=1))
        await until_left(orders, [])
        assert await orders.end() == end


@on_every_log_that_has("last_by")
async def test_the_newest_of_each_key_stays(make: Maker) -> None:
    """``last_by`` keeps the newest event of each value of the field."""
    log = make()
    orders = log.subject("orders", Ordered, retain=Retain(last_by=Ordered.region))
    async with log:
        await orders.publish_many(Ordered(n=n, region="ab"[n % 2]) for n in range(11))
        await until_left(orders, [9, 10])
        await orders.publish(Ordered(n=11, region="c"))
        await orders.publish(Ordered(n=12, region="a"))
        await until_left(orders, [9, 11, 12])


@on_every_log
async def test_a_reader_whose_place_is_gone_is_told(make: Maker) -> None:
    """It gets ``OffsetExpired`` with both offsets, or with ``gaps=True`` a ``Gap``, and then goes on."""
    log = make()
    orders = log.subject("orders", Ordered, retain=Retain(events=5))
    async with log:
        offsets = await orders.publish_many(Ordered(n=n) for n in range(20))
        await until_left(orders, [15, 16, 17, 18, 19])
        async with orders.subscribe(since=offsets[3]) as feed:
            with pytest.raises(OffsetExpired) as caught:
                await feed.receive()
            assert caught.value.offset == offsets[3]
            assert caught.value.floor == offsets[14]
        async with orders.subscribe(since=caught.value.floor) as feed:
            assert numbers(await take(feed, 5)) == [15, 16, 17, 18, 19]
        async with orders.subscribe(since=offsets[3], gaps=True) as feed:
            found = await take(feed, 6)
            assert isinstance(found[0], Gap)
            assert found[0].count >= 11
            assert numbers(found[1:]) == [15, 16, 17, 18, 19]
        with pytest.raises(OffsetExpired):
            await orders.read(since=offsets[3]).to_list()
        async with orders.subscribe(since="start") as feed:
            assert numbers(await take(feed, 5)) == [15, 16, 17, 18, 19]


@on_every_log
async def test_a_reader_that_is_overtaken_is_told(make: Maker) -> None:
    """A slow reader from which retention takes what it has not had ends with ``OffsetExpired``, never silently."""
    log = make()
    orders = log.subject("orders", Ordered, retain=Retain(events=5))
    async with log, orders.subscribe(buffer=2) as feed:
        await orders.publish_many(Ordered(n=n) for n in range(30))
        await until_left(orders, [25, 26, 27, 28, 29])
        found: list[int] = []
        with pytest.raises(OffsetExpired):
            while True:
                found += numbers(await take(feed, 1))
        assert found == list(range(len(found)))
        assert len(found) < 25
