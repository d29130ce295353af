"""The tail: who is live gets each event once, whoever joins or falls behind meanwhile."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio

from evenflow.log._routes import Wanted
from evenflow.log._stored import Page
from evenflow.testing import MemoryLog
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing._memory_store import MemoryStore
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


class Filters(MemoryEngine):
    """An engine whose server knows the regions of events, and is slow if it is told to be."""

    filters = True
    answers: anyio.Event | None = None
    """What it waits for before it answers."""
    asked: list[set[str]]

    async def read_wanted(self, subject: str, after: int, limit: int, wanted: Wanted, **how: Any) -> Page:
        """The events with the regions that are wanted."""
        texts = wanted.fields.get("region")
        self.asked.append(set(texts or ()))
        if self.answers is not None:
            await self.answers.wait()
        page = await super().read_wanted(subject, after, limit, wanted, **how)
        if texts is None:
            return page
        return page._replace(rows=[row for row in page.rows if any(f'"{text}"'.encode() in row.data for text in texts)])


@asynccontextmanager
async def filtering() -> AsyncGenerator[tuple[Any, Filters]]:
    """A subject that is routed by its region, and the engine."""
    log, engine = MemoryLog(), Filters(MemoryStore())
    engine.asked = []
    with log._with_engine(lambda: engine):
        orders = log.subject("orders", Ordered, routed_by=Ordered.region)
        async with log:
            yield orders, engine


@both
async def test_the_server_is_asked_for_what_those_want_together_who_are_live() -> None:
    """For less again, when one has left."""
    async with filtering() as (orders, engine):
        async with orders.subscribe(where=Ordered.region == "eu") as eu:
            async with orders.subscribe(where=Ordered.region == "us") as us:
                await settle()
                await orders.publish_many(Ordered(n=n, region=region) for n, region in enumerate(("eu", "us", "cn")))
                assert ((await eu.receive()).n, (await us.receive()).n) == (0, 1)
                await settle()
                assert engine.asked[-1] == {"eu", "us"}
            await orders.publish(Ordered(n=3))
            assert (await eu.receive()).n == 3
            await settle()
            assert engine.asked[-1] == {"eu"}
            async with orders.subscribe() as every:
                await orders.publish(Ordered(n=4, region="cn"))
                assert (await every.receive()).n == 4


@both
async def test_whoever_joins_while_a_page_is_read_for_others_misses_nothing() -> None:
    """Its own events are not on that page, which passes it by: it reads them alone, and is live after that."""
    async with filtering() as (orders, engine), orders.subscribe(where=Ordered.region == "eu") as eu:
        await settle()
        engine.answers = anyio.Event()
        await orders.publish(Ordered(n=0))
        await settle()  # the page is asked for, and has what was stored when the server answers
        async with orders.subscribe(where=Ordered.region == "us") as us:
            await settle()
            await orders.publish_many(Ordered(n=n, region=("eu", "us")[n % 2]) for n in range(1, 5))
            engine.answers.set()
            assert [(await us.receive()).n for _ in range(2)] == [1, 3]
            assert [(await eu.receive()).n for _ in range(3)] == [0, 2, 4]
            await orders.publish(Ordered(n=5, region="us"))
            assert (await us.receive()).n == 5
            await settle()
            assert engine.asked[-1] == {"eu", "us"}
