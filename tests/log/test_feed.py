"""A feed: history at the reader's pace, then live, then behind again, and what ends it."""

from __future__ import annotations

import gc
from typing import Any

import anyio
import pytest

from evenflow.log import DecodeError, SQLiteLog, _feed
from evenflow.log._stored import Append, Change
from evenflow.testing import MemoryLog
from tests.contract.kit import both, settle

from .events import Ordered, Shipped, opened


async def store_unreadable(opening: Any, kind: str = "Unknown") -> None:
    """An event that nobody here can read."""
    await opening.engine.commit(Change(appends=[Append("orders", kind, 1, b'{"n": "?"}')]))


@both
async def test_it_is_live_only_while_it_keeps_up() -> None:
    """A full buffer makes it fall behind; read empty, it is live again."""
    async with opened() as (orders, opening), orders.subscribe(buffer=2) as feed:
        tail = opening.tail(orders._kind)
        await settle()
        assert len(tail._live) == 1
        await orders.publish_many(Ordered(n=n) for n in range(5))
        await settle()
        assert len(tail._live) == 0
        assert feed.statistics().lag == 3
        assert [(await feed.receive()).n for _ in range(5)] == [0, 1, 2, 3, 4]
        await settle()
        assert len(tail._live) == 1


@both
async def test_a_reader_ends_at_what_it_cannot_read_and_may_want() -> None:
    """Whoever wants everything ends with ``DecodeError``; whoever wants one class passes by, in history and live."""
    async with opened() as (orders, opening):
        await orders.publish(Ordered(n=1))
        await store_unreadable(opening)
        for since in ("start", "now"):
            async with orders.subscribe(since=since) as every, orders.subscribe(Ordered, since=since) as some:
                if since == "now":
                    await orders.publish(Ordered(n=1))
                    await store_unreadable(opening)
                await orders.publish(Ordered(n=2))
                assert (await every.receive()).n == 1
                with pytest.raises(DecodeError, match="Unknown"):
                    await every.receive()
                assert [(await some.receive()).n for _ in range(2)] == [1, 2]


@both
async def test_data_that_is_no_event_ends_only_those_that_want_its_class() -> None:
    """A known name with wrong data is wanted by whoever wants its class."""
    async with opened() as (orders, opening), orders.subscribe(Ordered) as one, orders.subscribe(Shipped) as other:
        await store_unreadable(opening, "Ordered")
        await orders.publish(Shipped(n=1))
        assert (await other.receive()).n == 1
        with pytest.raises(DecodeError) as caught:
            await one.receive()
        assert caught.value.__cause__ is not None


@both
async def test_a_subject_may_skip_what_it_cannot_read() -> None:
    """``on_undecodable="skip"`` goes on."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered, on_undecodable="skip")
    async with log:
        await store_unreadable(log._openings.open())
        await orders.publish(Ordered(n=1))
        async with orders.subscribe(since="start") as feed:
            assert (await feed.receive()).n == 1
        assert [record.event.n for record in await orders.read().to_list()] == [1]


@both
async def test_what_a_where_raises_ends_its_own_subscription() -> None:
    """In history and live; nobody else notices."""
    async with opened() as (orders, _), orders.subscribe(Ordered) as other:
        await orders.publish(Ordered(n=0))
        for since in ("start", "now"):
            async with orders.subscribe(Ordered, where=lambda order: 1 / order.n > 0, since=since) as feed:
                if since == "now":
                    await orders.publish(Ordered(n=0))
                with pytest.raises(ZeroDivisionError):
                    await feed.receive()
        assert [(await other.receive()).n for _ in range(2)] == [0, 0]


@both
async def test_a_key_only_looks_in_history_as_it_does_live() -> None:
    """What a `conflate` may not do to a subscription of the subject is refused, wherever the event comes from."""
    async with opened() as (orders, _), orders.subscribe(Ordered) as other:

        def key(order: Ordered) -> int:
            other.receive_nowait()
            return order.n

        await orders.publish(Ordered(n=1))
        for since in ("start", "now"):
            async with orders.subscribe(Ordered, conflate=key, since=since) as feed:
                if since == "now":
                    await orders.publish(Ordered(n=2))
                with pytest.raises(RuntimeError, match="only looks"):
                    await feed.receive()
        assert [(await other.receive()).n for _ in range(2)] == [1, 2]


@both
async def test_an_end_of_stream_that_a_where_raises_is_no_end_of_the_log() -> None:
    """A `where` that reads another stream meets its end: the loop over the events raises, and does not end in silence."""

    def where(order: Ordered) -> bool:
        raise anyio.EndOfStream("there")

    async with opened() as (orders, _):
        await orders.publish(Ordered(n=0))
        for since in ("start", "now"):
            async with orders.subscribe(Ordered, where=where, since=since) as feed:
                if since == "now":
                    await orders.publish(Ordered(n=0))
                with pytest.raises(RuntimeError, match="there"):
                    await anext(feed)


@both
async def test_a_dropped_subscription_leaves_nothing_behind() -> None:
    """The last reference detaches it, with a warning, also while it is behind."""
    async with opened() as (orders, opening):
        await orders.publish_many(Ordered(n=n) for n in range(10))
        feed = orders.subscribe(since="start", buffer=2)
        assert (await feed.receive()).n == 0
        await settle()
        with pytest.warns(ResourceWarning, match="was dropped"):
            del feed
            gc.collect()
            await settle()
        await orders.publish(Ordered(n=10))
        await settle()
        tail = opening.tail(orders._kind)
        assert not tail._live
        assert not tail._feeds


@both
async def test_it_begins_with_its_first_read_where_it_was_not_entered() -> None:
    """A bare ``receive`` begins it."""
    async with opened() as (orders, _):
        await orders.publish(Ordered(n=1))
        feed = orders.subscribe(since="start")
        assert (await feed.receive()).n == 1
        feed.close()
        with pytest.raises(anyio.ClosedResourceError):
            await feed.receive()


@both
async def test_a_wrong_offset_is_told_where_it_is_used() -> None:
    """Entered, it is a ``ValueError``, and the subscription is closed; read bare, the reader gets it."""
    async with opened() as (orders, _):
        other = MemoryLog().subject("others", Ordered)
        del other
        foreign = (await orders.end()).__class__("others", "memory-1", 1)
        with pytest.raises(ValueError, match="others"):
            async with orders.subscribe(since=foreign):
                raise AssertionError("it was entered")
        bare = orders.subscribe(since=foreign)
        with pytest.raises(ValueError, match="others"):
            await bare.receive()
        bare.close()


def test_a_log_on_disk_needs_to_be_open() -> None:
    """Nothing is opened by naming a subject."""
    orders = SQLiteLog("never.db").subject("orders", Ordered)
    with pytest.raises(RuntimeError, match="async with"):
        orders.subscribe()


@both
async def test_history_is_read_between_changes_and_never_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody writes, a reader behind leaves the loop idle before each page; then it reads one all the same."""
    pauses: list[float] = []

    async def paused(seconds: float) -> None:
        pauses.append(seconds)
        await anyio.lowlevel.checkpoint()

    monkeypatch.setattr(_feed, "sleep", paused)
    async with opened() as (orders, opening):
        await orders.publish_many(Ordered(n=n) for n in range(5))
        async with orders.subscribe(since="start", buffer=8) as feed:
            assert [(await feed.receive()).n for _ in range(5)] == list(range(5))
        assert pauses == []
        monkeypatch.setattr(type(opening.engine), "is_writing", True)
        async with orders.subscribe(since="start", buffer=8) as feed:
            assert [(await feed.receive()).n for _ in range(5)] == list(range(5))
        assert pauses[: _feed.MOST_PAUSES] == [_feed.PAUSE] * _feed.MOST_PAUSES
