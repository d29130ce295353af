"""Transactions: all or nothing, known at the end, and no lock before."""

# pyright: reportPossiblyUnboundVariable=false
# What a block binds before it raises, as it must, is bound after it.

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow.log import LeaseLost
from evenflow.testing.conformance._kit import PATIENCE, Maker, Ordered, Shipped, numbers, on_every_log_that_has


@on_every_log_that_has("transactions")
async def test_events_of_several_subjects_go_in_together(make: Maker) -> None:
    """At the end of the block everything is stored, and the offsets are known."""
    log = make()
    orders, parcels = log.subject("orders", Ordered), log.subject("parcels", Shipped)
    async with log:
        async with log.transaction() as tx:
            tx.publish(orders, Ordered(n=1), id="a", headers={"x": "y"})
            tx.publish(parcels, Shipped(n=2))
            tx.publish(orders, Ordered(n=3))
            with pytest.raises(RuntimeError, match="open"):
                _ = tx.offsets
            assert await orders.read().to_list() == []
        first, second, third = tx.offsets
        assert first < third
        assert second.subject == "parcels"
        assert third == await orders.end()
        assert numbers([record.event for record in await orders.read().to_list()]) == [1, 3]
        assert numbers([record.event for record in await parcels.read().to_list()]) == [2]


@on_every_log_that_has("transactions")
async def test_a_block_that_raises_or_is_cancelled_does_nothing(make: Maker) -> None:
    """Nothing is stored, and the block's own exception goes out as it is."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(KeyError):
            async with log.transaction() as tx:
                tx.publish(orders, Ordered(n=1))
                raise KeyError
        with anyio.CancelScope() as scope:
            async with log.transaction() as second:
                second.publish(orders, Ordered(n=2))
                scope.cancel()
                await anyio.sleep_forever()
        with anyio.CancelScope() as scope:
            async with log.transaction() as third:
                third.publish(orders, Ordered(n=3))
                scope.cancel()
        assert not (tx.committed or second.committed or third.committed)
        assert await orders.read().to_list() == []
        with pytest.raises(RuntimeError, match="rolled back"):
            _ = tx.offsets


@on_every_log_that_has("transactions")
async def test_an_id_that_is_taken_undoes_everything(make: Maker) -> None:
    """One event that cannot be stored, and none is."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        await orders.publish(Ordered(n=1), id="a")
        with pytest.raises(ValueError, match="'a'"):
            async with log.transaction() as tx:
                tx.publish(orders, Ordered(n=2))
                tx.publish(orders, Ordered(n=3), id="a")
        assert numbers([record.event for record in await orders.read().to_list()]) == [1]


@on_every_log_that_has("transactions")
async def test_a_transaction_is_of_one_log_and_used_in_its_block(make: Maker) -> None:
    """Another log's subject is refused, and so is a use before and after the block."""
    log, other = make(), make()
    orders, foreign = log.subject("orders", Ordered), other.subject("orders", Ordered)
    async with log:
        block = log.transaction()
        not_entered: Any = block
        no_order: Any = Shipped(n=1)
        with pytest.raises(RuntimeError, match="made"):
            not_entered.publish(orders, Ordered(n=1))
        async with block as tx:
            with pytest.raises(ValueError, match="another log"):
                tx.publish(foreign, Ordered(n=1))
            with pytest.raises(TypeError):
                tx.publish(orders, no_order)
        with pytest.raises(RuntimeError, match="committed"):
            tx.publish(orders, Ordered(n=1))
        with pytest.raises(RuntimeError, match="once"):
            async with block:
                pass


@on_every_log_that_has("transactions")
async def test_a_transaction_is_bounded(make: Maker) -> None:
    """More than 10,000 items or 64 MiB are refused when they are given."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(ValueError, match="10,000"):
            async with log.transaction() as tx:
                for n in range(10_001):
                    tx.publish(orders, Ordered(n=n))
        with pytest.raises(ValueError, match="bytes"):
            async with log.transaction() as tx:
                for n in range(100):
                    tx.publish(orders, Ordered(n=n, region="x" * 1_000_000))
        assert await orders.read().to_list() == []


@on_every_log_that_has("transactions")
async def test_a_delivery_is_acknowledged_with_what_was_made_of_it(make: Maker) -> None:
    """Read, handle and publish on is exactly once: the ack and the new event are one commit."""
    log = make()
    orders, parcels = log.subject("orders", Ordered), log.subject("parcels", Shipped)
    async with log:
        await orders.publish_many(Ordered(n=n) for n in range(3))
        async with orders.deliveries("g") as deliveries:
            for _ in range(3):
                delivery = await deliveries.receive()
                async with delivery, log.transaction() as tx:
                    tx.publish(parcels, Shipped(n=delivery.event.n))
                    tx.ack(delivery)
                    with pytest.raises(RuntimeError, match="already"):
                        tx.ack(delivery)
        assert numbers([record.event for record in await parcels.read().to_list()]) == [0, 1, 2]
        [group] = await orders.groups()
        assert (group.due, group.in_hand, group.retrying) == (0, 0, 0)


@on_every_log_that_has("transactions")
async def test_a_delivery_that_went_out_again_undoes_everything(make: Maker) -> None:
    """Too late to acknowledge: ``LeaseLost``, and the other items of the transaction are not done."""
    log = make()
    orders, parcels = log.subject("orders", Ordered), log.subject("parcels", Shipped)
    async with log:
        await orders.publish(Ordered(n=1))
        async with orders.deliveries("g", ack_wait=0.2, retry_after=0.0) as deliveries:
            late = await deliveries.receive()
            with anyio.fail_after(PATIENCE):
                again = await deliveries.receive()
            with pytest.raises(LeaseLost):
                async with log.transaction() as tx:
                    tx.publish(parcels, Shipped(n=1))
                    tx.ack(late)
            assert not tx.committed
            assert await parcels.read().to_list() == []
            await again.ack()
