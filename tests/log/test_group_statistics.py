"""The numbers of a group: each event is in one of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest

from evenflow import Event
from evenflow.log._group_statistics import settled_through
from evenflow.log._groups import LOOKS
from evenflow.log._stored import Append, Change
from evenflow.testing import MemoryLog, run_virtual
from tests.contract.kit import BACKENDS, Backend, both, settle

from .events import Ordered, Shipped, opened


@both
async def test_each_event_is_counted_where_it_is() -> None:
    """Due, in hand, retrying or dead; the age is that of the oldest that is due."""
    async with opened() as (orders, _):
        await orders.publish_many(Ordered(n=n) for n in range(6))
        await orders.publish(Shipped(n=1))
        async with orders.deliveries("g", Ordered, buffer=3, retry_after=100.0) as deliveries:
            first, second = await deliveries.receive(), await deliveries.receive()
            await first.reject("no")
            await second.retry()
            await anyio.sleep(10)
            await settle()
            [group] = await orders.groups()
            assert (group.dead, group.retrying, group.members) == (1, 1, 1)
            assert group.in_hand + group.due == 4
            assert group.oldest_due is None or group.oldest_due >= timedelta(seconds=10) or group.due == 0


@both
async def test_the_condition_is_asked_where_it_is_known() -> None:
    """Of what waits only the events that meet it are due; without a reader here only its text is known."""
    async with opened() as (orders, opening):
        async with orders.deliveries("g", Ordered, where=Ordered.n >= 297):
            await orders.pause("g")
            await settle()
            await orders.publish_many(Ordered(n=n) for n in range(300))
            await orders.publish(Shipped(n=1))
            await opening.engine.commit(Change(appends=[Append("orders", "Ordered", 1, b"?")]))
            await anyio.sleep(5)
            [group] = await orders.groups()
            assert group.due == 4, "three meet it, and one cannot be read"
            assert group.oldest_due == timedelta(seconds=5)
        [group] = await orders.groups()
        assert group.due == 301


@both
async def test_the_condition_is_asked_of_a_consumer_that_does_not_run_here() -> None:
    """A web process that shares its module with the worker sees what is due for the worker's consumer, and no more."""
    store = MemoryLog()
    orders = store.subject("orders", Ordered)
    orders.consume("early", print, Ordered, where=Ordered.n >= 7)
    async with store.opened(consumers=False):
        for group, least in (("early", 7), ("late", 8)):
            async with orders.deliveries(group, Ordered, where=Ordered.n >= least):
                pass
        orders.consume("late", print, Ordered, where=Ordered.n >= 8)
        await orders.publish_many(Ordered(n=n) for n in range(10))
        assert [group.due for group in await orders.groups()] == [3, 2]
        [subject] = (await store.statistics()).subjects
        assert [group.due for group in subject.groups] == [3, 2]


@both
async def test_what_no_group_needs_may_go() -> None:
    """The least that any group has in hand, to retry or to claim decides; without a group nothing is kept."""
    async with opened() as (orders, opening):
        offsets = await orders.publish_many(Ordered(n=n) for n in range(4))
        assert await settled_through(opening.engine, "orders") is None
        async with orders.deliveries("a", buffer=2) as first, orders.deliveries("b", buffer=2) as second:
            for deliveries in (first, second):
                async with await deliveries.receive():
                    pass
            kept = await first.receive()
            assert await settled_through(opening.engine, "orders") == offsets[0].seq
            await kept.ack()
        assert await settled_through(opening.engine, "orders") == offsets[0].seq


@both
async def test_what_a_group_needs_is_seen_although_it_is_claimed_meanwhile() -> None:
    """A retry that goes into a page after the pages were looked at, and before the retries were, is kept."""
    async with opened() as (orders, opening):
        offsets = await orders.publish_many(Ordered(n=n) for n in range(3))
        async with orders.deliveries("g") as deliveries:
            await (await deliveries.receive()).retry(after=5)
            for _ in range(2):
                await (await deliveries.receive()).ack()
            load_some, again = opening.engine.load_some, []

            async def claimed_between(prefix: str, after: str, limit: int) -> Any:
                if prefix.startswith("retry/") and not again:
                    again.append(await deliveries.receive())
                return await load_some(prefix, after, limit)

            opening.engine.load_some = claimed_between  # type: ignore[method-assign]
            assert await settled_through(opening.engine, "orders") == offsets[0].seq - 1
            await again[0].ack()


@both
async def test_a_group_that_is_busy_never_says_that_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the log changes all the time, the last look may miss what goes into a page meanwhile: it looks again."""
    async with opened() as (orders, opening):
        await orders.publish(Ordered(n=0))
        async with orders.deliveries("g", Ordered) as deliveries:
            await (await deliveries.receive()).retry(after=5)
            engine, looks, again = opening.engine, 0, []
            load, load_some = engine.load, engine.load_some

            async def changed_in_each_look(*args: Any, **options: Any) -> Any:
                nonlocal looks
                if options.get("prefix") == "group/orders/":
                    looks += 1
                    await orders.publish(Shipped(n=looks))  # of which the group wants nothing
                return await load(*args, **options)

            async def claimed_in_the_last(prefix: str, after: str, limit: int) -> Any:
                if prefix.startswith("retry/") and looks == LOOKS and not again:
                    again.append(await deliveries.receive())
                return await load_some(prefix, after, limit)

            monkeypatch.setattr(engine, "load", changed_in_each_look)
            monkeypatch.setattr(engine, "load_some", claimed_in_the_last)
            [group] = await orders.groups()
            assert (group.due, group.in_hand, group.retrying) == (0, 1, 0)
            assert looks > LOOKS
            monkeypatch.undo()
            await again[0].ack()


class Parcel(Event):
    """What a group wants."""

    n: int


class Express(Parcel):
    """A subclass of it."""


@both
async def test_events_of_a_subclass_are_due_too() -> None:
    """A group that wants a base class has to do with its subclasses."""
    log = MemoryLog()
    parcels = log.subject("parcels", Parcel, Ordered)
    async with log:
        async with parcels.deliveries("g", Parcel):
            pass
        await parcels.publish_many([Express(n=n) for n in range(3)])
        [group] = await parcels.groups()
        assert group.due == 3


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_event_that_is_tried_again_is_always_somewhere(backend: Backend) -> None:
    """Whenever one looks, it is due, in hand or waits for its next attempt."""

    async def main() -> None:
        async with opened() as (orders, _):
            await orders.publish(Ordered(n=1))

            async def try_again() -> None:
                async with orders.deliveries("g", retry_after=0.01, max_attempts=None) as deliveries:
                    async for delivery in deliveries:
                        await delivery.retry()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(try_again)
                await settle()
                for _ in range(200):
                    [group] = await orders.groups()
                    assert group.due + group.in_hand + group.retrying == 1
                    await anyio.sleep(0.007)
                tasks.cancel_scope.cancel()

    run_virtual(main, backend=backend)
