"""What type checkers know of a log: subjects, subscriptions, records, deliveries, consumers, transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from evenflow import Event, Gap, Publisher, Source, State, Subject, Subscription, when
from evenflow.log import (
    Batch,
    Bridge,
    BridgeStatistics,
    Capabilities,
    Consumer,
    ConsumerFailed,
    DeadLetter,
    Deliveries,
    Delivery,
    DurableSubject,
    Log,
    LogStatistics,
    Offset,
    Record,
    Retain,
    Scheduled,
    SQLiteLog,
    bridge,
    from_url,
    upgrade,
)
from evenflow.log.nats import NATSLog
from evenflow.log.redis import RedisLog
from evenflow.streams import Stream
from evenflow.testing import MemoryLog, in_memory


class Placed(Event, version=2, formerly=("OrderPlaced",)):
    order_id: int
    region: str


class Shipped(Event):
    order_id: int


log = SQLiteLog("shop.db", durability="process", keep_ids=timedelta(days=1))
orders = log.subject("orders", Placed, Shipped, retain=Retain(age=timedelta(days=30), last_by=Placed.region))
placed = log.subject("placed", Placed, on_undecodable="skip")
routed = log.subject("routed", Placed, Shipped, routed_by=(Placed.region, Shipped.order_id))
log.subject("by_region", Placed, routed_by=Placed.region)
log.subject("by_nothing", Placed, routed_by=[Placed.region])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
assert_type(routed, DurableSubject[Placed | Shipped])
assert_type(orders, DurableSubject[Placed | Shipped])
assert_type(placed, DurableSubject[Placed])
assert_type(log.subject("both", Placed | Shipped), DurableSubject[Placed | Shipped])
assert_type(log.capabilities, Capabilities)
log.require("own_rows", "schedule")
log.require("teleport")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
publisher: Publisher[Placed] = orders
source: Source[Placed | Shipped] = orders
any_log: Log = from_url("sqlite:///shop.db")
memory: Log = MemoryLog(datetime(2026, 1, 1, tzinfo=UTC))


@upgrade(Placed, from_version=1)
def add_region(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "region": "eu"}


@orders.consumer("billing", Placed, concurrency=4, ordered_by=Placed.order_id, handle_timeout=5.0)
async def bill(order: Placed) -> None: ...


@orders.consumer("audit", max_attempts=None, retry_after=[1.0, 5.0], on_dead="hold_key", ordered_by=())
def audit(delivery: Delivery[Placed | Shipped]) -> int:
    return delivery.attempt


consumer = orders.consume("mail", bill, Placed)
assert_type(consumer, Consumer)
orders.consume("mail", bill, Shipped)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def reading() -> None:
    assert_type(orders.subscribe(), Subscription[Placed | Shipped])
    assert_type(orders.subscribe(Placed, since="start", buffer=5), Subscription[Placed])
    assert_type(orders.subscribe(Placed, gaps=True), Subscription[Placed | Gap])
    assert_type(orders.records(Placed, where=Placed.order_id > 5), Subscription[Record[Placed]])
    assert_type(orders.records(gaps=True), Subscription[Record[Placed | Shipped] | Gap])
    assert_type(orders.read(Placed, until=datetime.now(UTC)), Stream[Record[Placed]])
    assert_type(await orders.first(Shipped, since=await orders.end()), Shipped)
    async for record in orders.read(Placed):
        assert_type(record.event, Placed)
        assert_type(record.offset, Offset)
        assert_type(record.published_at, datetime)
    wide: Record[Event] = await orders.records(Placed).receive()
    orders.subscribe(since="yesterday")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    print(wide)


async def publishing(events: list[Placed]) -> None:
    assert_type(await orders.publish(Placed(order_id=1, region="eu"), id="a", headers={"a": "b"}), Offset)
    assert_type(await placed.publish_many(events, id=lambda order: f"order-{order.order_id}"), list[Offset])
    assert_type(orders.publish_from_thread(Shipped(order_id=1), timeout=1.0), Offset)
    assert_type(await orders.schedule(Shipped(order_id=1), after=5.0), str)
    assert_type(await orders.unschedule("a"), bool)
    assert_type(orders.scheduled(), Stream[Scheduled[Placed | Shipped]])
    await placed.publish(Shipped(order_id=1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def groups() -> None:
    assert_type(orders.deliveries("g"), Deliveries[Placed | Shipped])
    async with orders.deliveries("g", Placed, where=when(Placed.order_id > 5), ack_wait=5.0) as deliveries:
        assert_type(deliveries, Deliveries[Placed])
        async for delivery in deliveries:
            assert_type(delivery, Delivery[Placed])
            async with delivery:
                assert_type(delivery.event, Placed)
            await delivery.retry(after=5.0)
        batches: AsyncIterator[Batch[Placed]] = deliveries.batches(100, within=0.2)
        async for batch in batches:
            assert_type(batch[0], Delivery[Placed])
    assert_type(orders.dead_letters("g"), Stream[DeadLetter[Placed | Shipped]])
    assert_type(await orders.redrive("g", "all", where=Placed.order_id > 5, limit=10), int)
    assert_type(await orders.discard("g", [Offset("orders", "l", 1)]), int)
    assert_type(orders.failures, Subject[ConsumerFailed])
    orders.deliveries("g", where=lambda order: True)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


async def together(delivery: Delivery[Placed]) -> None:
    async with log.transaction() as tx:
        tx.publish(orders, Shipped(order_id=1), id="a")
        tx.publish(placed, Shipped(order_id=1))  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
        tx.execute("UPDATE invoices SET paid = 1 WHERE id = ?", (17,), rows=1)
        tx.ack(delivery)
    assert_type(tx.offsets, tuple[Offset, ...])
    async with memory.transaction() as plain:
        plain.execute("UPDATE x")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    async with in_memory(log) as same:
        assert_type(same, Log)
    async with log as opened, log.opened(consumers=["billing"], grace=5.0) as again:
        assert_type(opened, SQLiteLog)
        assert_type(again, SQLiteLog)
    assert_type(await log.statistics(), LogStatistics)


async def bridges(source: DurableSubject[Placed | Shipped], target: Subject[Placed]) -> None:
    """The target takes what is moved."""
    async with bridge(source, target, Placed, where=Placed.region == "eu", name="copies") as copying:
        assert_type(copying, Bridge)
        assert_type(copying.statistics(), BridgeStatistics)
    async with bridge(target, target):
        pass
    bridge(source, target)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    bridge(source, target, Shipped)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]


async def on_a_server() -> None:
    server = RedisLog("redis://localhost", name="shop", durability="power", publish_timeout=5.0)
    assert_type(server.connected, State[bool])
    async with server as opened:
        assert_type(opened, RedisLog)
    RedisLog("redis://localhost", durability="disk")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    RedisLog()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    spread = NATSLog(["nats://one:4222", "nats://two:4222"], name="shop", replicas=3, token="t")
    assert_type(spread.connected, State[bool])
    async with spread as opened_there:
        assert_type(opened_there, NATSLog)
    NATSLog(4222)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    NATSLog("nats://one", replicas="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
