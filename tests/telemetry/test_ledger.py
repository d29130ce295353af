"""The numbers of a subject in memory: those of subscriptions and lives that are gone included."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import anyio

from evenflow import Subject
from evenflow.telemetry._destination import Destination
from evenflow.telemetry._ledger import Ledger, Reader

from ..contract.kit import both, both_real, collect, settle
from .kit import Ordered, Seen


def sent(seen: Seen) -> float | None:
    """Events that were published to the subject of these tests."""
    return seen.value("messaging.client.sent.messages", messaging__destination__name="orders")


def points(seen: Seen, name: str) -> dict[tuple[str, str], float]:
    """The points of a metric, by the subscription and the operation that they are about."""
    return {
        (has.get("messaging.destination.subscription.name", ""), has["messaging.operation.name"]): value
        for has, value in seen.metric(name)
    }


@both
async def test_sent_and_consumed_are_what_statistics_say(seen: Seen) -> None:
    """A handler processes, and whoever reads receives; both are counted when they are given the event."""
    orders = Subject(Ordered, name="orders")
    orders.observe(lambda event: None, Ordered, name="bill")
    with seen.instrument(orders):
        async with orders, orders.subscribe(Ordered, name="screen") as screen:
            await orders.publish_many([Ordered(n=n) for n in range(3)])
            await settle()
            await screen.receive()
            assert sent(seen) == orders.statistics().published == 3
            assert points(seen, "messaging.client.consumed.messages") == {
                ("orders/bill", "process"): 3,
                ("screen", "receive"): 1,
            }
            assert points(seen, "evenflow.subscription.waiting")["screen", "receive"] == 2


@both
async def test_counts_do_not_fall_when_a_subscription_is_closed(seen: Seen) -> None:
    """Also of one that came and went between two looks, and of one that was only dropped."""
    orders = Subject(Ordered, name="orders")
    with seen.instrument(orders):
        for how in ("closed", "lost", "looked at"):
            subscription = orders.subscribe(Ordered, buffer=1, overflow="drop_oldest", name="screen")
            orders.publish_nowait(Ordered())
            orders.publish_nowait(Ordered())
            await subscription.receive()
            if how == "looked at":
                points(seen, "evenflow.subscription.dropped")
            if how != "lost":
                await subscription.aclose()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # that nobody closed it is the point
                del subscription
                collect()
            await settle()
        assert points(seen, "messaging.client.consumed.messages") == {("screen", "receive"): 3}
        assert points(seen, "evenflow.subscription.dropped") == {("screen", "receive"): 3}
        assert points(seen, "evenflow.subscription.waiting") == {("screen", "receive"): 0}


@both
async def test_a_subscription_that_has_ended_is_counted_until_it_is_read(seen: Seen) -> None:
    """What lies in its buffer still waits, and is consumed later."""
    orders = Subject(Ordered, name="orders")
    with seen.instrument(orders):
        async with orders.subscribe(Ordered, name="screen", buffer=2, overflow="disconnect") as screen:
            await orders.publish_many([Ordered(), Ordered()])
            assert points(seen, "evenflow.subscription.waiting") == {("screen", "receive"): 2}
            await orders.publish(Ordered())
            assert orders.statistics().subscriptions == ()
            assert points(seen, "evenflow.subscription.waiting") == {("screen", "receive"): 2}
            await screen.receive()
        assert points(seen, "messaging.client.consumed.messages") == {("screen", "receive"): 1}
        assert points(seen, "evenflow.subscription.dropped") == {("screen", "receive"): 1}


@both
async def test_subscriptions_without_a_name_are_one_series(seen: Seen) -> None:
    """A thousand clients are not a thousand series; their fill is that of the fullest."""
    orders = Subject(Ordered, name="orders")
    with seen.instrument(orders):
        async with orders.subscribe(Ordered, buffer=4) as full, orders.subscribe(Ordered, buffer=8):
            await orders.publish_many([Ordered(n=n) for n in range(4)])
            await full.receive()
            assert points(seen, "evenflow.subscription.waiting") == {("", "receive"): 7}
            assert points(seen, "evenflow.subscription.fill") == {("", "receive"): 0.75}


@both
async def test_replaced_events_are_counted(seen: Seen) -> None:
    """A conflated subscription drops nothing, and hands over less than was published."""
    orders = Subject(Ordered, name="orders")
    with seen.instrument(orders):
        async with orders.subscribe(Ordered, conflate=Ordered.n, name="screen"):
            await orders.publish_many([Ordered(n=1)] * 3)
            assert points(seen, "evenflow.subscription.replaced") == {("screen", "receive"): 2}
            assert points(seen, "evenflow.subscription.dropped") == {("screen", "receive"): 0}


@both
async def test_publishes_that_wait_are_seen(seen: Seen) -> None:
    """As long as they wait."""
    orders = Subject(Ordered, name="orders")
    with seen.instrument(orders):
        async with orders.subscribe(Ordered, buffer=1) as slow, anyio.create_task_group() as tasks:
            await orders.publish(Ordered())
            tasks.start_soon(orders.publish, Ordered())
            await settle()
            assert seen.value("evenflow.subject.waiting_publishers") == 1
            await slow.receive()
            await settle()
            assert seen.value("evenflow.subject.waiting_publishers") == 0


@both
async def test_a_subject_that_lives_again_goes_on_being_followed(seen: Seen) -> None:
    """Its counts go on where they were, and its observers have spans in each life."""
    orders = Subject(Ordered, name="orders")
    orders.observe(lambda event: None, Ordered, name="bill")
    with seen.instrument(orders):
        for life in (1, 2, 3):
            async with orders:
                await orders.publish(Ordered())
                await orders.drain()
                assert sent(seen) == life
            assert points(seen, "messaging.client.consumed.messages") == {("orders/bill", "process"): life}
    assert len(seen.named("process orders")) == 3


@both_real
async def test_another_thread_may_collect(seen: Seen) -> None:
    """As the readers do that export every minute."""
    orders = Subject(Ordered, name="orders")
    with seen.instrument(orders):
        async with orders.subscribe(Ordered, name="screen"):
            await orders.publish(Ordered())
            assert await anyio.to_thread.run_sync(sent, seen) == 1


@both
async def test_a_subscription_of_a_closed_subject_is_not_kept(seen: Seen) -> None:
    """A ledger forgets it once it is closed."""
    orders: Subject[Any] = Subject(Ordered, name="orders")
    ledger = Ledger(Destination("orders"), orders._life)
    subscription = orders.subscribe(Ordered, name="screen")
    ledger.look()
    assert len(ledger._seen) == 1
    await subscription.aclose()
    ledger.retire(subscription._mailbox)
    assert not ledger._seen
    assert ledger.look() == {Reader("screen", "receive"): ledger.look()[Reader("screen", "receive")]}


def test_a_subject_that_is_not_needed_goes_although_it_is_instrumented(seen: Seen) -> None:
    """With its history, its subscriptions, and everything that telemetry knows of it."""
    import weakref

    orders = Subject(Ordered, name="orders", replay=10)
    event = Ordered()
    instrumentation = seen.instrument(orders)
    orders.publish_nowait(event)
    assert sent(seen) == 1
    gone = [weakref.ref(orders), weakref.ref(event), weakref.ref(orders._life)]
    del orders, event
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3
    assert sent(seen) is None
    instrumentation.uninstrument()
