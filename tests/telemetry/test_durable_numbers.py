"""The numbers of a durable subject and its groups."""

from __future__ import annotations

import anyio

from evenflow.log import DurableSubject
from evenflow.testing import MemoryLog

from ..contract.kit import both, both_real, settle
from .kit import Ordered, Seen, open_orders


async def group(seen: Seen, name: str) -> float | None:
    """A number of the group, as the loop's own thread gets it: at the second look."""
    seen.value(f"evenflow.group.{name}")
    await settle()
    return seen.value(f"evenflow.group.{name}", messaging__consumer__group__name="billing")


@both
async def test_the_numbers_of_a_group_are_those_of_its_statistics(seen: Seen) -> None:
    """Due, in hand, retrying, dead: each event is in one of them."""
    async with (
        open_orders(seen) as orders,
        orders.deliveries("billing", buffer=1, max_attempts=2, retry_after=60.0) as deliveries,
    ):
        for n in range(5):
            await orders.publish(Ordered(n=n))
        await (await deliveries.receive()).reject("bad")
        await (await deliveries.receive()).retry()
        await settle()
        [statistics] = await orders.groups()
        found = [await group(seen, name) for name in ("due", "in_hand", "retrying", "dead_letters")]
        assert found == [statistics.due, statistics.in_hand, statistics.retrying, statistics.dead] == [2, 1, 1, 1]


@both
async def test_the_age_of_the_oldest_event_is_in_seconds(seen: Seen) -> None:
    """0 where nothing is due, so that an alert on it needs no exception."""
    async with open_orders(seen) as orders:
        async with orders.deliveries("billing"):
            assert await group(seen, "oldest_due") == 0
        await orders.publish(Ordered())
        await anyio.sleep(90)
        assert (await group(seen, "oldest_due") or 0) >= 90


@both
async def test_sent_counts_every_way_to_publish(seen: Seen) -> None:
    """Of this process alone: the log has the events of others, too."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log:
        with seen.instrument(log):
            await orders.publish(Ordered())
            await orders.publish_many([Ordered(n=n) for n in range(3)])
            await orders.schedule(Ordered(), after=60.0)
            async with log.transaction() as transaction:
                transaction.publish(orders, Ordered(n=9))
            assert seen.value("messaging.client.sent.messages") == 6


@both
async def test_consumed_counts_what_handlers_and_blocks_were_given(seen: Seen) -> None:
    """An attempt more is an event more: it was delivered again."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    tried: list[int] = []

    def fails_once(event: Ordered) -> None:
        tried.append(event.n)
        if len(tried) == 1:
            raise ValueError

    orders.consume("billing", fails_once, retry_after=0.0)
    with seen.instrument(log):
        async with log:
            await orders.publish(Ordered())
            await settle()
            async with orders.deliveries("audit") as deliveries, await deliveries.receive():
                pass
            points = seen.metric("messaging.client.consumed.messages")
    assert {has["messaging.consumer.group.name"]: count for has, count in points} == {"billing": 2, "audit": 1}


@both_real
async def test_another_thread_gets_the_numbers_at_once(seen: Seen) -> None:
    """It waits for the loop to look."""
    async with open_orders(seen) as orders:
        async with orders.deliveries("billing"):
            await orders.publish(Ordered())
        assert await anyio.to_thread.run_sync(seen.value, "evenflow.group.due") == 1


@both
async def test_a_log_that_is_closed_reports_no_groups(seen: Seen) -> None:
    """What was known is old by now."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    with seen.instrument(log):
        async with log:
            async with orders.deliveries("billing"):
                assert await group(seen, "due") == 0
        assert seen.metric("evenflow.group.due") == []
        assert seen.value("messaging.client.sent.messages") == 0


def test_a_subject_that_is_gone_is_not_kept(seen: Seen) -> None:
    """A log that nobody needs goes with its subjects, although it is instrumented."""
    import gc
    import weakref

    log = MemoryLog()
    orders: DurableSubject[Ordered] = log.subject("orders", Ordered)
    instrumentation = seen.instrument(log)
    assert seen.value("messaging.client.sent.messages") == 0
    gone = [weakref.ref(log), weakref.ref(orders)]
    del log, orders
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    assert seen.value("messaging.client.sent.messages") is None
    instrumentation.uninstrument()
