"""The tail: who is live gets each event once, whoever joins or falls behind meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio

from tests.contract.kit import both, settle

from .events import Ordered, opened


@both
async def test_it_reads_nothing_while_nobody_is_live() -> None:
    """The task of the tail ends with its last reader, and begins with the next."""
    async with opened() as (orders, opening):
        tail = opening.tail(orders._kind)
        async with orders.subscribe() as feed:
            await settle()
            assert tail._runs
            await orders.publish(Ordered(n=1))
            assert (await feed.receive()).n == 1
        await orders.publish(Ordered(n=2))
        await settle()
        assert not tail._runs
        async with orders.subscribe(since="start") as feed:
            assert [(await feed.receive()).n for _ in range(2)] == [1, 2]
            await orders.publish(Ordered(n=3))
            assert (await feed.receive()).n == 3


@both
async def test_one_that_begins_ahead_of_the_tail_waits_for_it() -> None:
    """A reader from "now" gets nothing that was stored before it began, although the tail has yet to give that out."""
    async with opened() as (orders, opening), orders.subscribe(buffer=2_000) as first:
        await orders.publish_many(Ordered(n=n) for n in range(1_000))
        async with orders.subscribe() as late:
            assert opening.tail(orders._kind).position < 1_000
            await orders.publish(Ordered(n=1_000))
            assert (await late.receive()).n == 1_000
            assert [(await first.receive()).n for _ in range(1_001)] == list(range(1_001))


@both
async def test_what_the_tail_gives_out_while_a_reader_looks_for_its_place_is_not_missed() -> None:
    """The place of a time is found; before the reader is live, an event is published, and the tail gives it out."""
    async with opened() as (orders, opening), orders.subscribe() as first:
        await orders.publish(Ordered(n=0))
        assert (await first.receive()).n == 0
        place = opening.engine.place

        async def place_and_publish(subject: str, time: int) -> int:
            found = await place(subject, time)
            await anyio.sleep(1)
            await orders.publish(Ordered(n=1))
            assert (await first.receive()).n == 1
            return found

        opening.engine.place = place_and_publish  # type: ignore[method-assign]  # as another process might publish
        soon = datetime.fromtimestamp(opening.engine.wall() + 0.5, UTC)
        async with orders.subscribe(since=soon) as late:
            await orders.publish(Ordered(n=2))
            assert [(await late.receive()).n for _ in range(2)] == [1, 2]


@both
async def test_an_event_is_decoded_once_for_all_who_are_live() -> None:
    """A hundred readers get the very same object."""
    async with opened() as (orders, _):
        feeds = [orders.subscribe() for _ in range(100)]
        for feed in feeds:
            await feed.__aenter__()
        await orders.publish(Ordered(n=1))
        events = [await feed.receive() for feed in feeds]
        assert all(event is events[0] for event in events)
        for feed in feeds:
            await feed.aclose()


@both
async def test_a_reader_that_comes_while_all_others_leave_misses_nothing() -> None:
    """The tail takes the position of whoever joins when nobody is there."""
    async with opened() as (orders, _):
        found: list[int] = []
        for n in range(0, 60, 3):
            async with orders.subscribe() as feed, anyio.create_task_group() as tasks:
                tasks.start_soon(orders.publish_many, [Ordered(n=n), Ordered(n=n + 1)])
                found += [(await feed.receive()).n, (await feed.receive()).n]
                await orders.publish(Ordered(n=n + 2))
                found.append((await feed.receive()).n)
        assert found == list(range(60))
