"""Claims: bounded by the room, never of the same event twice, and seen by others at once."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow.testing import MemoryLog
from tests.contract.kit import both, settle

from .events import Ordered, opened


@both
async def test_a_reader_claims_as_much_as_it_has_room_for() -> None:
    """``buffer`` events are in hand, the others are left for other readers."""
    async with opened() as (orders, _):
        await orders.publish_many(Ordered(n=n) for n in range(20))
        async with orders.deliveries("g", buffer=5):
            await settle()
            [group] = await orders.groups()
            assert (group.in_hand, group.due) == (5, 15)


@both
async def test_what_goes_out_again_takes_the_place_of_new_events() -> None:
    """New events are read together with the retries: those for which there is no room then stay where they are."""
    async with opened() as (orders, _):
        await orders.publish_many(Ordered(n=n) for n in range(7))
        async with orders.deliveries("g", buffer=3) as deliveries:
            for _ in range(3):
                await (await deliveries.receive()).release()
        async with orders.deliveries("g", buffer=4) as deliveries:
            await settle()
            assert deliveries._member is not None
            assert sorted(each.event.n for each in deliveries._member.hand.fetched) == [0, 1, 2, 3]
        found = list[int]()
        async with orders.deliveries("g", buffer=4) as deliveries:
            for _ in range(7):
                async with await deliveries.receive() as delivery:
                    found.append(delivery.event.n)
        assert sorted(found) == list(range(7))


@both
async def test_readers_of_two_processes_never_claim_the_same_event() -> None:
    """Whoever finds the group changed looks again."""
    first = MemoryLog()
    other = MemoryLog()
    other._store = first._store
    found: list[int] = []

    async def read(log: MemoryLog) -> None:
        async with log.subject("orders", Ordered).deliveries("g", buffer=3) as deliveries:
            while len(found) < 60:
                with anyio.move_on_after(5):
                    async with await deliveries.receive() as delivery:
                        found.append(delivery.event.n)
                        await anyio.lowlevel.checkpoint()

    async with first, other, anyio.create_task_group() as tasks:
        for log in (first, first, other, other):
            tasks.start_soon(read, log)
        await first.subject("orders", Ordered).publish_many(Ordered(n=n) for n in range(60))
    assert sorted(found) == list(range(60))


@both
@pytest.mark.parametrize("options, waits", [({}, False), ({"ordered_by": Ordered.n}, True)])
async def test_a_claim_waits_for_a_settlement_only_where_both_change_lanes(
    options: dict[str, Any], waits: bool
) -> None:
    """Without an order the next events are claimed while others are being settled."""
    async with opened() as (orders, _), orders.deliveries("g", **options) as deliveries:
        await settle()
        assert deliveries._member is not None
        async with deliveries._member._desk.settling:
            await orders.publish(Ordered(n=1))
            await settle()
            assert len(deliveries._member.hand.fetched) == (0 if waits else 1)
        await settle()
        assert len(deliveries._member.hand.fetched) == 1


@both
@pytest.mark.parametrize("options", [{}, {"ordered_by": Ordered.n}])
async def test_whoever_looks_for_what_others_left_is_alone(options: dict[str, Any]) -> None:
    """Nobody claims, and nobody settles meanwhile: a page that was just settled must not look lost."""
    async with opened() as (orders, _), orders.deliveries("g", **options) as deliveries:
        assert deliveries._member is not None
        desk = deliveries._member._desk
        async with desk.alone():
            assert desk.lock.locked()
            assert desk.settling.locked()
        assert not desk.lock.locked()
        assert not desk.settling.locked()
