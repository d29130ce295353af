"""The spans of handlers: of observers, of consumers, of the blocks of deliveries, and what they are linked to."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import pytest
from opentelemetry.trace import get_current_span

from evenflow import Subject
from evenflow.log import Delivery, SQLiteLog
from evenflow.testing import MemoryLog

from ..contract.kit import both, both_real, settle
from .kit import Ordered, Seen, Shipped, attributes, id_of, linked, parent_of
from .test_spans import PARENT

REQUEST: ContextVar[str] = ContextVar("REQUEST", default="none")


@both
@pytest.mark.parametrize("kind", ["plain", "async", "conflated", "ordered"])
async def test_each_event_is_linked_to_its_own_publish(seen: Seen, kind: str) -> None:
    """Through the buffer, in whatever way the observer is called, also where one event is published twice."""
    orders = Subject(Ordered, name="orders")
    options: dict[str, Any] = {
        "conflated": {"conflate": Ordered.n}, "ordered": {"ordered_by": Ordered.n, "concurrency": 3}
    }.get(kind, {})  # fmt: skip

    async def handle(_: Ordered) -> None:
        await anyio.lowlevel.checkpoint()

    orders.observe((lambda event: None) if kind == "plain" else handle, Ordered, **options)
    event = Ordered(n=1)
    with seen.instrument(orders):
        async with orders:
            for one in (event, event, Ordered(n=2)):
                await orders.publish(one)
                if kind == "conflated":
                    await settle()
            await orders.drain()
    published = [id_of(span) for span in seen.named("publish orders")]
    assert sorted(link for span in seen.named("process orders") for link in linked(span)) == sorted(published)


@both
async def test_every_observer_has_a_span_and_a_publish_has_one(seen: Seen) -> None:
    """Ten observers are ten spans of handling, and one of publishing; a subscription that is read has none."""
    orders = Subject(Ordered, name="orders")
    for number in range(10):
        orders.observe(lambda event: None, Ordered, name=f"o{number}")
    with seen.instrument(orders):
        async with orders, orders.subscribe(Ordered) as reader:
            await orders.publish(Ordered())
            await reader.receive()
            await orders.drain()
    assert len(seen.named("publish orders")) == 1
    said = {attributes(span)["messaging.destination.subscription.name"] for span in seen.named("process orders")}
    assert said == {f"orders/o{number}" for number in range(10)}


@both
async def test_the_body_of_a_handler_has_its_span_and_what_it_publishes_is_its_child(seen: Seen) -> None:
    """Also after an await, and in a task that it starts."""
    orders, parcels = Subject(Ordered, name="orders"), Subject(Shipped, name="parcels")

    async def ship(event: Ordered) -> None:
        await anyio.lowlevel.checkpoint()
        await parcels.publish(Shipped(n=event.n))
        async with anyio.create_task_group() as tasks:  # noqa: ASYNC112 -- it must be another task
            tasks.start_soon(parcels.publish, Shipped(n=event.n))

    orders.observe(ship, Ordered)
    with seen.instrument(orders, parcels):
        async with orders:
            await orders.publish(Ordered())
            await orders.drain()
    handled = id_of(seen.one("process orders"))
    assert [parent_of(span) for span in seen.named("publish parcels")] == [handled, handled]


@both
async def test_a_handler_with_the_context_of_its_publisher_is_a_child_of_the_publish(seen: Seen) -> None:
    """One trace from the request to the handler; it is linked, too, and sees the publisher's variables."""
    orders = Subject(Ordered, name="orders")
    found: list[str] = []
    orders.observe(lambda event: found.append(REQUEST.get()), Ordered, context="publisher", name="plain")
    with seen.instrument(orders):
        async with orders:
            token = REQUEST.set("42")
            await orders.publish(Ordered())
            REQUEST.reset(token)
            await orders.drain()
    published, handled = seen.one("publish orders"), seen.one("process orders")
    assert parent_of(handled) == id_of(published) == linked(handled)[0]
    assert found == ["42"]


@both
async def test_a_handler_keeps_the_context_of_its_subject(seen: Seen) -> None:
    """It sees the variables of the task that entered the subject, and what it sets is gone for the next event."""
    orders = Subject(Ordered, name="orders")
    found: list[str] = []

    def handle(_: Ordered) -> None:
        found.append(REQUEST.get())
        REQUEST.set("leaked")

    orders.observe(handle, Ordered)
    with seen.instrument(orders):
        token = REQUEST.set("service")
        async with orders:
            REQUEST.set("publisher")
            await orders.publish(Ordered())
            await orders.publish(Ordered())
            await orders.drain()
        REQUEST.reset(token)
    assert found == ["service", "service"]


@both
async def test_what_is_buffered_when_telemetry_ends_is_handled_as_without_it(seen: Seen) -> None:
    """In the context of the subject, and without a span."""
    orders = Subject(Ordered, name="orders")
    found: list[tuple[int, str]] = []
    free = anyio.Event()

    async def handle(event: Ordered) -> None:
        found.append((event.n, REQUEST.get()))
        await free.wait()

    orders.observe(handle, Ordered)
    token = REQUEST.set("service")
    async with orders:
        with seen.instrument(orders):
            await orders.publish_many([Ordered(n=1), Ordered(n=2)])
            await settle()
        await orders.publish(Ordered(n=3))
        free.set()
        await orders.drain()
    REQUEST.reset(token)
    assert found == [(1, "service"), (2, "service"), (3, "service")]
    assert len(seen.named("process orders")) == 1


@both
async def test_what_was_buffered_before_is_handled_in_a_span_without_a_link(seen: Seen) -> None:
    """Nobody knows any more who published it."""
    orders = Subject(Ordered, name="orders")
    orders.observe(lambda event: None, Ordered, name="plain")
    async with orders:
        await orders.publish(Ordered())
        with seen.instrument(orders):
            await orders.drain()
    assert linked(seen.one("process orders")) == []


@both
async def test_a_consumer_is_linked_to_the_publish_in_the_log(seen: Seen) -> None:
    """By the headers of the event, and so in whatever process; it says of which group, and which attempt it is."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    attempts: list[int] = []

    async def bill(event: Ordered) -> None:
        attempts.append(event.n)
        assert get_current_span().get_span_context().is_valid
        if len(attempts) == 1:
            raise ValueError

    orders.consume("billing", bill, retry_after=0.0)
    with seen.instrument(log):
        async with log:
            offset = await orders.publish(Ordered())
            await settle()
            [record] = await orders.read().to_list()
    published, first, second = seen.one("publish orders"), *seen.named("process orders")
    assert f"{id_of(published):016x}" in record.headers["traceparent"]
    assert linked(first) == linked(second) == [id_of(published)]
    said = attributes(second)
    assert said["messaging.consumer.group.name"] == "billing"
    assert said["evenflow.delivery.attempt"] == 2
    assert said["messaging.message.id"] == attributes(published)["messaging.message.id"] == str(offset)
    assert attributes(first)["error.type"] == "ValueError"


@both
async def test_a_consumer_that_takes_deliveries_is_followed_too(seen: Seen) -> None:
    """It gets the delivery itself, and not what telemetry made of it."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    found: list[object] = []

    async def bill(delivery: Delivery[Ordered]) -> None:
        found.append(delivery)

    orders.consume("billing", bill)
    with seen.instrument(log):
        async with log:
            await orders.publish(Ordered())
            await settle()
    assert isinstance(found[0], Delivery)
    assert len(linked(seen.one("process orders"))) == 1


@both
async def test_a_handler_that_takes_too_long_ends_its_span_with_that(seen: Seen) -> None:
    """The span says what the retry says: that it took longer than its `handle_timeout`."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)

    async def hangs(_: Ordered) -> None:
        await anyio.sleep_forever()

    orders.consume("billing", hangs, handle_timeout=1.0, max_attempts=1)
    with seen.instrument(log):
        async with log:
            await orders.publish(Ordered())
            await anyio.sleep(2)
    assert attributes(seen.one("process orders"))["error.type"] == "TimeoutError"


@both_real
async def test_the_trace_context_is_in_the_file(seen: Seen, tmp_path: Path) -> None:
    """Whoever opens the log later, in whatever process, is linked to the publish."""
    first = SQLiteLog(tmp_path / "shop.db")
    with seen.instrument(first):
        async with first:
            await first.subject("orders", Ordered).publish(Ordered())
    published = id_of(seen.one("publish orders"))
    second, handled = SQLiteLog(tmp_path / "shop.db"), anyio.Event()
    second.subject("orders", Ordered).consume("billing", lambda event: handled.set(), name="bill")
    with seen.instrument(second):
        async with second:
            await handled.wait()
    assert linked(seen.one("process orders")) == [published]


@both
async def test_what_a_browser_sends_along_is_what_the_consumer_is_linked_to(seen: Seen) -> None:
    """A `traceparent` among the headers is the creation context; the publish is linked to it, too."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    orders.consume("billing", lambda event: None, name="bill")
    with seen.instrument(log):
        async with log:
            await orders.publish(Ordered(), headers={"traceparent": PARENT})
            await settle()
    browser = int("b7ad6b7169203331", 16)
    assert linked(seen.one("publish orders")) == linked(seen.one("process orders")) == [browser]


@both
async def test_the_block_of_a_delivery_is_a_span(seen: Seen) -> None:
    """Current inside it, and ended with it, whatever the block did."""
    log = MemoryLog()
    orders, parcels = log.subject("orders", Ordered), log.subject("parcels", Shipped)
    with seen.instrument(log):
        async with log, orders.deliveries("billing") as deliveries:
            await orders.publish(Ordered())
            async with await deliveries.receive():
                await parcels.publish(Shipped())
            assert not get_current_span().get_span_context().is_valid
    handled = seen.one("process orders")
    assert linked(handled) == [id_of(seen.one("publish orders"))]
    assert parent_of(seen.one("publish parcels")) == id_of(handled)
    assert attributes(handled)["messaging.consumer.group.name"] == "billing"
    assert seen.value("messaging.process.duration", messaging__consumer__group__name="billing") == 1


@both
async def test_the_block_of_a_batch_is_one_span_with_a_link_to_each_publish(seen: Seen) -> None:
    """It says how many events they are; a block of one of them inside is a span of its own."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    with seen.instrument(log):
        async with log, orders.deliveries("billing").batches(3, within=60.0) as batches:
            for n in range(3):
                await orders.publish(Ordered(n=n))
            async with await batches.receive() as batch:
                async with batch[0]:
                    pass
            assert not get_current_span().get_span_context().is_valid
    inner, outer = seen.named("process orders")
    assert linked(outer) == [id_of(span) for span in seen.named("publish orders")]
    assert attributes(outer)["messaging.batch.message_count"] == 3
    assert parent_of(inner) == id_of(outer)


@both
async def test_a_block_that_raises_says_so_in_its_span(seen: Seen) -> None:
    """And the delivery is tried again, as without telemetry."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    with seen.instrument(log):
        async with log, orders.deliveries("billing", retry_after=0.0) as deliveries:
            await orders.publish(Ordered())
            with pytest.raises(LookupError):
                async with await deliveries.receive():
                    raise LookupError("secret")
            async with await deliveries.receive() as again:
                assert again.attempt == 2
    failed, fine = seen.named("process orders")
    assert attributes(failed)["error.type"] == "LookupError"
    assert "error.type" not in attributes(fine)


@both
async def test_what_a_transaction_publishes_is_linked_to_where_it_was_given(seen: Seen) -> None:
    """It has no span of its own: whether there is such an event is known at the end of the block."""
    log = MemoryLog()
    orders, parcels = log.subject("orders", Ordered), log.subject("parcels", Shipped)
    parcels.consume("post", lambda event: None, name="post")
    with seen.instrument(log):
        async with log:
            with seen.span("request") as request:
                async with log.transaction() as transaction:
                    transaction.publish(orders, Ordered())
                    transaction.publish(parcels, Shipped())
            await settle()
        assert seen.value("messaging.client.sent.messages", messaging__destination__name="parcels") == 1
    assert linked(seen.one("process parcels")) == [request.get_span_context().span_id]
    assert not seen.named("publish parcels")
