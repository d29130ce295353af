"""What is changed of a group from outside: its members notice, and a restart knows."""

from __future__ import annotations

import anyio
import pytest

from evenflow.log import LogError
from tests.contract.kit import both, settle

from .events import Ordered, opened


@both
async def test_a_paused_group_stays_paused_and_what_it_has_goes_on() -> None:
    """What was fetched can be settled; nothing is fetched until it is resumed."""
    async with opened() as (orders, _):
        await orders.publish_many(Ordered(n=n) for n in range(4))
        async with orders.deliveries("g", buffer=1) as deliveries:
            first = await deliveries.receive()
            await settle()
            await orders.pause("g")
            await first.ack()
            [group] = await orders.groups()
            assert group.paused
            await orders.resume("g")
            with anyio.fail_after(60):
                numbers = [(await deliveries.receive()).event.n for _ in range(1)]
            assert numbers == [1]


@both
async def test_seeking_back_hands_out_again_and_seeking_on_passes_by() -> None:
    """What is in hand is not affected."""
    async with opened() as (orders, _):
        offsets = await orders.publish_many(Ordered(n=n) for n in range(5))
        async with orders.deliveries("g", buffer=8) as deliveries:
            for _ in range(5):
                async with await deliveries.receive():
                    pass
            await orders.seek("g", "start")
            again = await deliveries.receive()
            assert (again.event.n, again.attempt) == (0, 1)
            await again.ack()
        await orders.seek("g", offsets[3])
        [group] = await orders.groups()
        assert group.position == offsets[3]


@both
async def test_whoever_reads_a_deleted_group_is_told() -> None:
    """It gets a ``LogError``, and dead letters are gone with the group."""
    async with opened() as (orders, _):
        await orders.publish(Ordered(n=1))
        async with orders.deliveries("g") as deliveries:
            await (await deliveries.receive()).reject("no")
            await orders.delete_group("g")
            with pytest.raises(LogError), anyio.fail_after(60):
                await deliveries.receive()
        assert await orders.groups() == ()
        with pytest.raises(ValueError, match="has no group 'g'"):
            await orders.dead_letters("g").to_list()


@both
async def test_a_group_that_is_not_there_is_named() -> None:
    """Every change says so."""
    async with opened() as (orders, _):
        for change in (orders.pause, orders.resume, orders.delete_group):
            with pytest.raises(ValueError, match="no group 'nobody'"):
                await change("nobody")
        with pytest.raises(ValueError, match="no group 'nobody'"):
            await orders.seek("nobody", "start")
