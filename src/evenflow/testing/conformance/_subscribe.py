"""Subscriptions that begin in history and go on live: one order, no hole, nothing twice, and nobody waits for them."""

# pyright: reportPossiblyUnboundVariable=false
# What the body of a task group binds is bound after it.

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import anyio
import pytest

from evenflow import Gap, SlowSubscriber, when
from evenflow.log import Offset, Record
from evenflow.testing.conformance._kit import PATIENCE, BigOrdered, Maker, Ordered, Shipped, numbers, on_every_log, take


@on_every_log
async def test_now_begins_where_the_subscription_was_entered(make: Maker) -> None:
    """What was published before is not there, what is published after is."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.publish(Ordered(n=1))
        async with orders.subscribe() as feed:
            await orders.publish_many([Ordered(n=2), Ordered(n=3)])
            assert numbers(await take(feed, 2)) == [2, 3]


@on_every_log
async def test_start_reads_everything_and_goes_on(make: Maker) -> None:
    """History first, then what is new, without a seam."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.publish_many(Ordered(n=n) for n in range(700))
        async with orders.subscribe(since="start", buffer=10) as feed:
            found = numbers(await take(feed, 300))
            await orders.publish_many(Ordered(n=n) for n in range(700, 1_000))
            found += numbers(await take(feed, 700))
            assert found == list(range(1_000))


@on_every_log
async def test_an_offset_is_the_place_after_it(make: Maker) -> None:
    """A reader that kept its last offset goes on with the next event, in another process too."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        offsets = await orders.publish_many(Ordered(n=n) for n in range(5))
    other = make()
    async with other:
        again = other.subject("orders", Ordered)
        async with again.subscribe(since=Offset.parse(str(offsets[2]))) as feed:
            assert numbers(await take(feed, 2)) == [3, 4]
        async with again.records(since=offsets[4]) as feed:
            await again.publish(Ordered(n=5))
            record: Record[Ordered] = (await take(feed, 1))[0]
            assert type(record) is Record
            assert (record.event, record.offset) == (Ordered(n=5), await again.end())


@on_every_log
async def test_a_time_is_the_first_event_at_or_after_it(make: Maker) -> None:
    """``since`` and ``until`` take aware datetimes."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.publish(Ordered(n=1))
        await anyio.sleep(0.01)  # so that the two have different times
        await orders.publish(Ordered(n=2))
        records = await orders.read().to_list()
        middle = records[1].published_at
        assert numbers([r.event for r in await orders.read(since=middle).to_list()]) == [2]
        assert numbers([r.event for r in await orders.read(until=middle).to_list()]) == [1]
        late = middle + timedelta(days=1)
        assert await orders.read(since=late).to_list() == []
        async with orders.subscribe(since=middle) as feed:
            assert numbers(await take(feed, 1)) == [2]
        with pytest.raises(ValueError, match="aware"):
            orders.subscribe(since=middle.replace(tzinfo=None))


@on_every_log
async def test_an_offset_of_another_subject_is_refused(make: Maker) -> None:
    """An offset knows its subject: used elsewhere it is a ValueError, never another place."""
    log = make()
    one, other = log.subject("one", Ordered), log.subject("other", Ordered)
    async with log:
        offset = await one.publish(Ordered(n=1))
        with pytest.raises(ValueError, match="one"):
            async with other.subscribe(since=offset):
                pass
        with pytest.raises(ValueError, match="lineage"):
            async with one.subscribe(since=Offset("one", "elsewhere", 1)):
                pass


@on_every_log
async def test_wants_and_conditions_choose_in_history_and_live(make: Maker) -> None:
    """Classes, subclasses, conditions and callables mean the same in both halves."""
    log = make()
    orders = log.subject("orders", Ordered, Shipped)
    first: list[Ordered | Shipped] = [Ordered(n=1), Shipped(n=2), BigOrdered(n=3), Ordered(n=4, region="us")]
    async with log:
        for event in first:
            await orders.publish(event)
        async with (
            orders.subscribe(Ordered, since="start") as every,
            orders.subscribe(BigOrdered, since="start") as big,
            orders.subscribe(Ordered, where=Ordered.region == "us", since="start") as us,
            orders.subscribe(Ordered, where=lambda order: order.n % 2 == 1, since="start") as odd,
            orders.subscribe(Ordered, where=~when(Ordered.region == "us"), since="start") as rest,
        ):
            for event in first:
                await orders.publish(event)
            assert numbers(await take(every, 6)) == [1, 3, 4, 1, 3, 4]
            assert numbers(await take(big, 2)) == [3, 3]
            assert numbers(await take(us, 2)) == [4, 4]
            assert numbers(await take(odd, 4)) == [1, 3, 1, 3]
            assert numbers(await take(rest, 4)) == [1, 3, 1, 3]


@on_every_log
async def test_nobody_waits_for_a_reader_and_it_loses_nothing(make: Maker) -> None:
    """A subscription that is not read holds no publisher; read later it gets everything, and says how far it was behind."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log, orders.subscribe(buffer=4) as slow, orders.subscribe(buffer=4) as quick:
        found: list[int] = []
        for n in range(200):
            await orders.publish(Ordered(n=n))
            found += numbers(await take(quick, 1))
        assert found == list(range(200))
        statistics = slow.statistics()
        assert statistics.waiting == 4
        assert statistics.lag >= 196
        assert numbers(await take(slow, 200)) == list(range(200))
        await orders.publish(Ordered(n=200))
        assert numbers(await take(slow, 1)) == [200]
        assert slow.statistics().lag == 0
        statistics = slow.statistics()
        assert statistics.wanted == statistics.delivered == 201


@on_every_log
async def test_drop_policies_begin_with_what_is_new(make: Maker) -> None:
    """History is paced; what is new is dropped as the policy says, and the ledger and the gap say so."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.publish_many(Ordered(n=n) for n in range(50))
        async with (
            orders.subscribe(since="start", buffer=4, overflow="drop_oldest", gaps=True) as oldest,
            orders.subscribe(since="start", buffer=4, overflow="drop_newest") as newest,
        ):
            assert numbers(await take(oldest, 50)) == list(range(50))
            assert numbers(await take(newest, 50)) == list(range(50))
            await anyio.wait_all_tasks_blocked()
            async with orders.subscribe() as witness:
                await orders.publish_many(Ordered(n=n) for n in range(50, 60))
                await take(witness, 10)
            found = await take(oldest, 5)
            assert [item.count if isinstance(item, Gap) else item.n for item in found] == [6, 56, 57, 58, 59]
            assert numbers(await take(newest, 4)) == [50, 51, 52, 53]
            assert oldest.statistics().dropped == newest.statistics().dropped == 6


@on_every_log
async def test_conflated_events_replace_each_other(make: Maker) -> None:
    """With ``conflate`` a reader that is behind gets the newest of each key."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.publish_many(Ordered(n=n, region="eu" if n % 2 else "us") for n in range(100))
        async with orders.subscribe(since="start", conflate=Ordered.region) as feed, orders.subscribe() as witness:
            await orders.publish(Ordered(n=100, region="us"))
            await take(witness, 1)
            await anyio.wait_all_tasks_blocked()
            found = await take(feed, 1)
            while found[-1].n < 100:
                found += await take(feed, 1)
            assert len(found) <= 4
            statistics = feed.statistics()
            assert statistics.wanted == statistics.delivered + statistics.replaced + statistics.waiting


@on_every_log
async def test_a_disconnected_reader_learns_where_to_go_on(make: Maker) -> None:
    """``SlowSubscriber.offset`` is the place of the last event that it got: nothing is missed after it."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log, orders.subscribe(buffer=3, overflow="disconnect") as feed, orders.subscribe() as witness:
        await orders.publish_many(Ordered(n=n) for n in range(10))
        await take(witness, 10)
        assert numbers(await take(feed, 3)) == [0, 1, 2]
        with pytest.raises(SlowSubscriber) as caught:
            await feed.receive()
        assert caught.value.offset is not None
        async with orders.subscribe(since=caught.value.offset) as again:
            assert numbers(await take(again, 7)) == list(range(3, 10))


@on_every_log
async def test_many_readers_and_publishers_at_once_see_one_order_without_a_hole(make: Maker) -> None:
    """Whoever begins whenever, however slow, sees what the log has, once and in order."""
    chance = random.Random(7)
    log = make()
    orders = log.subject("orders", Ordered)
    seen: list[list[tuple[Offset, int]]] = []

    async def publish(first: int) -> None:
        for n in range(first, first + 60):
            await orders.publish(Ordered(n=n))

    async def read(buffer: int, begin: Any, pause: int) -> None:
        found: list[tuple[Offset, int]] = []
        seen.append(found)
        async with orders.records(since=begin, buffer=buffer) as feed:
            while not found or found[-1][1] != -1:
                record = (await take(feed, 1))[0]
                found.append((record.offset, record.event.n))
                for _ in range(chance.randrange(pause + 1)):
                    await anyio.lowlevel.checkpoint()

    async with log:
        async with anyio.create_task_group() as readers:
            async with anyio.create_task_group() as publishers:
                for number in range(5):
                    publishers.start_soon(publish, 100 * number)
                for number in range(12):
                    await anyio.lowlevel.checkpoint()
                    begin = "start" if number % 3 == 0 else "now" if number % 3 == 1 else await orders.end()
                    readers.start_soon(read, chance.choice([1, 2, 8, 64]), begin, chance.choice([0, 2, 20]))
            await orders.publish(Ordered(n=-1))
        everything = [(record.offset, record.event.n) for record in await orders.read().to_list()]
    assert len(everything) == 301
    for found in seen:
        assert found == everything[len(everything) - len(found) :]


@on_every_log
async def test_closing_the_log_ends_every_reader(make: Maker) -> None:
    """A reader that waits, and one that is behind, hear of the end after what they hold."""
    log = make()
    orders = log.subject("orders", Ordered)
    ended: list[str] = []
    async with anyio.create_task_group() as tasks:
        await log.start()
        await orders.publish_many(Ordered(n=n) for n in range(20))
        waiting = orders.subscribe()
        behind = orders.subscribe(since="start", buffer=3)

        async def read_to_the_end() -> None:
            async for _ in waiting:
                pass
            ended.append("waiting")

        tasks.start_soon(read_to_the_end)
        assert numbers(await take(behind, 1)) == [0]
        await anyio.wait_all_tasks_blocked()
        await log.aclose()
        rest = [event.n async for event in behind]
        assert rest == list(range(1, 1 + len(rest)))
        await behind.aclose()
    assert ended == ["waiting"]
    await waiting.aclose()


@on_every_log
async def test_first_is_the_next_one_from_its_await_on(make: Maker) -> None:
    """``first`` begins when it is awaited, or where it is told to."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        end = await orders.end()
        await orders.publish(Ordered(n=1))
        assert (await orders.first(since=end)).n == 1
        assert (await orders.first(Ordered, where=Ordered.n == 1, since="start")).n == 1
        found: list[int] = []

        async def wait() -> None:
            found.append((await orders.first()).n)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            with anyio.fail_after(PATIENCE):
                while not found:
                    await orders.publish(Ordered(n=2))
                    await anyio.wait_all_tasks_blocked()
        assert found == [2]


@on_every_log
async def test_a_cancelled_read_loses_nothing(make: Maker) -> None:
    """Cancelling ``receive`` or a read of pages leaves the event for the next read."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        found: list[int] = []
        async with orders.subscribe() as feed:
            for n in range(20):
                with anyio.CancelScope() as scope:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(orders.publish, Ordered(n=n))
                        scope.cancel()
                        found.append((await feed.receive()).n)
            await orders.publish(Ordered(n=99))
            while 99 not in found:
                found += numbers(await take(feed, 1))
            stored = numbers([record.event for record in await orders.read().to_list()])
            assert found == stored
        pages = orders.read()
        with anyio.CancelScope() as scope:
            scope.cancel()
            await pages.receive()
        assert numbers([record.event for record in await pages.to_list()]) == stored


@on_every_log
async def test_an_offset_beyond_the_end_is_refused_and_one_of_a_position_is_not(make: Maker) -> None:
    """It is of a copy that went on, or of events that were lost: never silently nothing."""
    log = make()
    orders, others = log.subject("orders", Ordered), log.subject("others", Ordered)
    async with log:
        last = await orders.publish(Ordered(n=1))
        beyond = Offset("orders", last.lineage, last.seq + 1)
        for ask in (
            orders.first(since=beyond),
            orders.read(since=beyond).to_list(),
            orders.read(until=beyond).to_list(),
        ):
            with pytest.raises(ValueError, match="beyond the end"):
                await ask
        with pytest.raises(ValueError, match="beyond the end"):
            async with orders.deliveries("g", since=beyond):
                pass
        async with orders.deliveries("g") as deliveries:
            await (await deliveries.receive()).ack()
            with pytest.raises(ValueError, match="beyond the end"):
                await orders.seek("g", beyond)
        await others.publish(Ordered(n=2))
        assert await orders.read(since=beyond).to_list() == [], "the log has come so far, in another subject"


@on_every_log
async def test_what_is_skipped_is_counted_in_public(make: Maker) -> None:
    """``on_undecodable="skip"``: the ledger says how many events nobody here could read."""
    old, new = make(), make()
    async with old:
        await old.subject("orders", Shipped).publish(Shipped(n=1))
    orders = new.subject("orders", Ordered, on_undecodable="skip")
    async with new, orders.subscribe(since="start") as feed:
        await orders.publish(Ordered(n=2))
        assert numbers(await take(feed, 1)) == [2]
        assert feed.statistics().undecodable == 1
