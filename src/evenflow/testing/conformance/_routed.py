"""``routed_by`` changes what a server sends, and never what a reader gets: on each log, whether its server filters or not."""

# pyright: reportPossiblyUnboundVariable=false
# What the body of a task group binds is bound after it.

from __future__ import annotations

from typing import Any

import anyio

from evenflow._comparable import one_of
from evenflow._events import Event
from evenflow.log._schemas import upgrade
from evenflow.testing.conformance._kit import PATIENCE, Maker, numbers, on_every_log, take

REGIONS = ("eu", "us", "", "a.b", "*", ">", "a b", "_", "=20", "ü", "x" * 300)


class Routed(Event):
    """An event that is routed by its region, or by its kind."""

    n: int
    region: str = "eu"
    kind: int | None = None


class Lone(Event):
    """Another class of the subject, without these fields."""

    n: int


class Before(Event, name="conformance.routed", version=1):
    """An event as it was: its region was a word."""

    n: int
    region: str


class After(Event, name="conformance.routed", version=2):
    """The same event as it is."""

    n: int
    region: str


@upgrade(After, from_version=1)
def _in_small_letters(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "region": data["region"].lower()}


@on_every_log
async def test_history_has_exactly_what_a_condition_on_a_routed_field_wants(make: Maker) -> None:
    """Whatever the values are, and whatever else the condition says."""
    log = make()
    orders: Any = log.subject("orders", Routed, Lone, routed_by=(Routed.region, Routed.kind))
    events = [Routed(n=n, region=REGIONS[n % len(REGIONS)], kind=(None, 0, 1)[n % 3]) for n in range(70)]
    async with log:
        await orders.publish_many([*events[:40], Lone(n=0), *events[40:]])
        conditions: list[Any] = [
            *(Routed.region == region for region in REGIONS),
            one_of(Routed.region, "eu", "a.b", "nowhere"),
            one_of(Routed.region, *REGIONS, *map(str, range(20))),
            (Routed.region == "eu") & (Routed.n > 30),
            (Routed.region == "eu") | (Routed.kind == 1),
            (Routed.region == "eu") & one_of(Routed.kind, None, 1),
            Routed.region != "eu",
        ]
        for condition in conditions:
            found = [record.event async for record in orders.read(Routed, where=condition)]
            assert found == [event for event in events if condition(event)], condition
        assert numbers([record.event async for record in orders.read(Lone)]) == [0]
        assert len([record async for record in orders.read()]) == len(events) + 1


@on_every_log
async def test_whoever_joins_while_others_read_gets_each_event_that_it_wants(make: Maker) -> None:
    """One reader of each region, and one of all, begin one after the other while a task publishes."""
    log = make()
    orders: Any = log.subject("orders", Routed, routed_by=Routed.region)
    found: dict[str, list[int]] = {}
    begun: dict[str, int] = {}
    published = 0

    async def publish() -> None:
        nonlocal published
        for _ in range(30):
            start = published
            await orders.publish_many(Routed(n=start + n, region=REGIONS[n % 3]) for n in range(9))
            published = start + 9
        await orders.publish_many(Routed(n=-1, region=region) for region in REGIONS[:3])

    async def read(region: str, *, task_status: Any) -> None:  # noqa: ASYNC114 -- started below, and never otherwise
        where = Routed.region == region if region != "all" else None
        async with orders.subscribe(Routed, where=where, buffer=5 if region == "us" else 64) as feed:
            task_status.started()
            begun[region], mine = published, found.setdefault(region, [])
            async for event in feed:
                if event.n < 0:
                    return
                mine.append(event.n)

    async with log:
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                await tasks.start(read, "eu")
                tasks.start_soon(publish)
                for region in ("us", "all", ""):
                    await orders.first()
                    await tasks.start(read, region)
    for region, mine in found.items():
        every = [n for n in range(published) if region in ("all", REGIONS[n % 9 % 3])]
        assert mine == every[len(every) - len(mine) :]
        assert set(mine) >= {n for n in every if n >= begun[region] + 9}
    assert len(found) == 4


@on_every_log
async def test_a_group_with_a_condition_gets_what_it_wants_and_passes_the_rest(make: Maker) -> None:
    """Its numbers are right before, in the middle and at the end."""
    log = make()
    orders: Any = log.subject("orders", Routed, routed_by=Routed.region)
    async with log:
        await orders.publish_many(Routed(n=n, region=REGIONS[n % 10]) for n in range(200))
        async with orders.deliveries("us", Routed, where=Routed.region == "us", buffer=5) as deliveries:
            for n in range(1, 101, 10):
                delivery = await deliveries.receive()
                assert delivery.event.n == n
                await delivery.ack()
            (group,) = await orders.groups()
            assert (group.due + group.in_hand, group.dead) == (10, 0)
            await (await deliveries.receive()).reject("bad")
            retried = await deliveries.receive()
            await retried.retry(after=0.0)
            left = [await take(deliveries, 1) for _ in range(9)]
            assert sorted(each.event.n for (each,) in left) == list(range(111, 200, 10))
            for (each,) in left:
                await each.ack()
            (group,) = await orders.groups()
            assert (group.due, group.in_hand, group.dead) == (0, 0, 1)
            assert await orders.redrive("us", "all") == 1
            async with await deliveries.receive() as again:
                assert again.event.n == 101


@on_every_log
async def test_processes_that_route_otherwise_read_each_others_events(make: Maker) -> None:
    """As while a new version is rolled out: one without, one by a field, one by another, and back."""
    logs = [make() for _ in range(3)] if make().capabilities.several_processes else [make()]
    ways: list[Any] = [None, Routed.region, (Routed.kind, Routed.region)]
    found: list[int] = []
    for turn in range(6):
        log = logs[turn % len(logs)] if len(logs) > 1 else make()
        orders: Any = log.subject("orders", Routed, routed_by=ways[turn % 3]) if len(logs) > 1 else None
        orders = orders or log.subject("orders", Routed, routed_by=ways[turn % 3])
        async with log:
            await orders.publish_many(Routed(n=10 * turn + n, region=REGIONS[n], kind=n) for n in range(3))
            found.append(10 * turn)
            assert numbers([record.event async for record in orders.read(where=Routed.region == "eu")]) == found
            with anyio.fail_after(PATIENCE):
                first = await orders.first(where=Routed.kind == 2, since="start")
            assert first.n == 2


@on_every_log
async def test_an_event_of_an_older_version_is_asked_as_it_is_today(make: Maker) -> None:
    """An upgrade may have changed the very field that it was routed by."""
    old, new = make(), make()
    before: Any = old.subject("orders", Before, routed_by=Before.region)
    after: Any = new.subject("orders", After, routed_by=After.region)
    async with old:
        await before.publish_many([Before(n=1, region="EU"), Before(n=2, region="US"), Before(n=3, region="eu")])
    async with new:
        await after.publish_many([After(n=4, region="eu"), After(n=5, region="us")])
        assert numbers([record.event async for record in after.read(where=After.region == "eu")]) == [1, 3, 4]
