"""The span around each way to publish, and what the instrumented object is meanwhile."""

from __future__ import annotations

import gc
import weakref
from functools import partial

import anyio
import pytest

from evenflow import Event, Subject
from evenflow.log import DurableSubject
from evenflow.telemetry._publishing import Counted
from evenflow.testing import MemoryLog

from ..contract.kit import both, both_real, collect, settle
from .kit import Ordered, Seen, attributes, id_of, linked, open_orders, parent_of


class Bus(Subject[Ordered]):
    """A subject of the application's own."""

    async def publish(self, event: Ordered, /) -> int:
        """Twice."""
        return await super().publish(event) + await super().publish(event)


@both
async def test_each_way_to_publish_has_one_span(seen: Seen) -> None:
    """With its kind, and nothing about a batch where there is none."""
    orders = Subject(Ordered, name="orders")
    with seen.instrument(orders):
        assert await orders.publish(Ordered()) == 0
        assert orders.publish_nowait(Ordered()) == 0
    for span in seen.named("publish orders"):
        assert span.kind.name == "PRODUCER"
        assert attributes(span) == {
            "messaging.system": "evenflow",
            "messaging.operation.name": "publish",
            "messaging.operation.type": "send",
            "messaging.destination.name": "orders",
        }
    assert len(seen.spans) == 2


@both
@pytest.mark.parametrize("kind", [list, iter])
async def test_a_publish_of_many_is_one_span_with_their_number(seen: Seen, kind: type) -> None:
    """Whether that is known before or only when all were drawn; their handlers are linked to that one span."""
    orders = Subject(Ordered, name="orders")
    orders.observe(lambda event: None, Ordered, name="plain")
    with seen.instrument(orders):
        async with orders:
            assert await orders.publish_many(kind([Ordered(n=n) for n in range(3)])) == 3
            await orders.drain()
    published = seen.one("publish orders")
    assert attributes(published)["messaging.batch.message_count"] == 3
    assert [linked(span) for span in seen.named("process orders")] == [[id_of(published)]] * 3


@both
async def test_the_next_event_is_drawn_when_the_last_is_placed(seen: Seen) -> None:
    """As without telemetry; what was refused half-way was drawn."""
    orders = Subject(Ordered, name="orders")
    drawn: list[int] = []

    def draw() -> object:
        for n in range(3):
            drawn.append(n)
            yield Ordered(n=n)

    async with orders.subscribe(Ordered, buffer=1):
        with seen.instrument(orders), anyio.move_on_after(1):
            await orders.publish_many(draw())  # type: ignore[arg-type]  # a generator of them
    assert drawn == [0, 1]
    assert attributes(seen.one("publish orders"))["messaging.batch.message_count"] == 2


@both_real
async def test_a_publish_from_a_thread_is_a_span_of_the_thread(seen: Seen) -> None:
    """Its parent is what is current in the thread, and the handler in the loop is linked to it."""
    orders = Subject(Ordered, name="orders")
    orders.observe(lambda event: None, Ordered, name="plain")

    def work() -> None:
        with seen.span("job"):
            orders.publish_from_thread(Ordered(), timeout=100)

    with seen.instrument(orders):
        async with orders:
            await anyio.to_thread.run_sync(work)
            await orders.drain()
    published = seen.one("publish orders")
    assert parent_of(published) == id_of(seen.one("job"))
    assert linked(seen.one("process orders")) == [id_of(published)]


@both_real
async def test_a_durable_subject_is_followed_from_a_thread_too(seen: Seen) -> None:
    """The headers have the trace context of the thread's span."""
    async with open_orders(seen) as orders:
        offset = await anyio.to_thread.run_sync(partial(orders.publish_from_thread, Ordered(), id="a", timeout=100))
        [record] = await orders.read().to_list()
    published = seen.one("publish orders")
    assert attributes(published)["messaging.message.id"] == str(offset)
    assert (record.id, f"{id_of(published):016x}" in record.headers["traceparent"]) == ("a", True)


@both
async def test_a_durable_publish_of_many_is_one_span(seen: Seen) -> None:
    """All of them have its trace context beside the headers that were given."""
    async with open_orders(seen) as orders:
        events = (Ordered(n=n) for n in range(3))
        assert len(await orders.publish_many(events, id=lambda event: str(event.n), headers={"tenant": "a"})) == 3
        records = await orders.read().to_list()
    published = seen.one("publish orders")
    assert attributes(published)["messaging.batch.message_count"] == 3
    assert {record.headers["tenant"] for record in records} == {"a"}
    assert all(f"{id_of(published):016x}" in record.headers["traceparent"] for record in records)


@both
async def test_what_is_scheduled_is_linked_to_its_schedule(seen: Seen) -> None:
    """However much later it goes out; that has no span of its own, because nobody waits for it."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    orders.consume("billing", lambda event: None, name="bill")
    with seen.instrument(log):
        async with log:
            await orders.schedule(Ordered(), after=60.0)
            await anyio.sleep(70)
    scheduled = seen.one("schedule orders")
    assert attributes(scheduled)["messaging.operation.name"] == "schedule"
    assert linked(seen.one("process orders")) == [id_of(scheduled)]
    assert seen.names == ["schedule orders", "process orders"]


@both
async def test_an_event_with_a_known_id_is_still_the_same(seen: Seen) -> None:
    """The trace context is no part of what an id stands for."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log:
        first = await orders.publish(Ordered(), id="a")
        with seen.instrument(orders):
            assert await orders.publish(Ordered(), id="a") == first


@both
async def test_a_subclass_publishes_in_its_own_way(seen: Seen) -> None:
    """What the application has made of `publish` is what happens inside the span."""
    bus = Bus(Ordered, name="bus")
    async with bus.subscribe(Ordered):
        with seen.instrument(bus):
            assert isinstance(bus, Bus)
            assert await bus.publish(Ordered()) == 2
        assert type(bus) is Bus
    assert seen.names == ["publish bus"]


@both
async def test_what_was_bound_before_is_not_followed_and_what_is_bound_now_keeps_the_subject(seen: Seen) -> None:
    """A bound method keeps its subject alive, instrumented or not."""
    before = Subject(Ordered, name="orders").publish
    instrumented = Subject(Ordered, name="orders")
    with seen.instrument(instrumented):
        publish = instrumented.publish
        del instrumented
        gc.collect()
        await before(Ordered())
        await publish(Ordered())
    assert len(seen.spans) == 1


def test_a_class_that_was_made_for_an_object_goes_with_it(seen: Seen) -> None:
    """A service that instruments a subject for each request does not grow."""
    orders = Subject(Ordered, name="orders")
    with seen.instrument(orders):
        made = weakref.ref(type(orders))
        assert made() is not Subject
    collect()
    assert made() is None


def test_events_are_counted_as_they_are_drawn() -> None:
    """A list is as long as it is."""
    assert Counted([1, 2]).known == 2
    counted = Counted(iter([1, 2, 3]))
    assert (counted.known, counted.attributes()) == (None, {"messaging.batch.message_count": 0})
    assert next(iter(counted)) == 1
    assert counted.attributes() == {"messaging.batch.message_count": 1}


@both
async def test_a_log_follows_the_subjects_that_it_is_asked_for_later(seen: Seen) -> None:
    """Once each, however often it is asked."""
    log = MemoryLog()
    with seen.instrument(log):
        orders: DurableSubject[Event] = log.subject("orders", Ordered)
        assert log.subject("orders", Ordered) is orders
        async with log:
            await orders.publish(Ordered())
            await settle()
    assert seen.names == ["publish orders"]
    assert type(orders) is DurableSubject


@pytest.mark.parametrize("way", ["publish", "publish_nowait", "publish_many", "publish_from_thread"])
def test_a_wrong_call_is_called_one_of_the_subject(seen: Seen, way: str) -> None:
    """Who reads the message wrote `orders.publish()`, and nothing of telemetry."""
    orders = Subject(Ordered, name="orders")
    with seen.instrument(orders), pytest.raises(TypeError, match=rf"^Subject\.{way}\(\) "):
        getattr(orders, way)()
