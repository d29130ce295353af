"""A reader of a group: it fetches ahead, hands over in order, and leaves nothing behind."""

from __future__ import annotations

import anyio
import pytest

from tests.contract.kit import both, settle

from .events import Ordered, opened


@both
async def test_leaving_gives_back_what_was_not_begun() -> None:
    """At once and uncounted; what was handed over and not settled too."""
    async with opened() as (orders, _):
        await orders.publish_many(Ordered(n=n) for n in range(5))
        async with orders.deliveries("g", buffer=5) as deliveries:
            async with await deliveries.receive():
                pass
            await deliveries.receive()
        async with orders.deliveries("g") as deliveries:
            found = [await deliveries.receive() for _ in range(4)]
            assert sorted((d.event.n, d.attempt) for d in found) == [(1, 1), (2, 1), (3, 1), (4, 1)]


@both
async def test_several_tasks_share_one_reader() -> None:
    """Each event goes to one of them."""
    async with opened() as (orders, _):
        found: list[int] = []

        async def read() -> None:
            async for delivery in deliveries:
                async with delivery:
                    found.append(delivery.event.n)

        async with orders.deliveries("g") as deliveries, anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(read)
            await orders.publish_many(Ordered(n=n) for n in range(30))
            await settle()
            tasks.cancel_scope.cancel()
        assert sorted(found) == list(range(30))


@both
async def test_settling_after_it_was_left_is_refused() -> None:
    """What it had was given back; a late ack does nothing."""
    async with opened() as (orders, _):
        await orders.publish(Ordered(n=1))
        async with orders.deliveries("g") as deliveries:
            late = await deliveries.receive()
        with pytest.raises(Exception, match=r".+"):
            await late.ack()
        async with orders.deliveries("g") as deliveries:
            assert (await deliveries.receive()).event.n == 1
