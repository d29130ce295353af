"""Settlements: those that wait together go out as one commit, and each hears of its own outcome."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from evenflow.log import LeaseLost
from tests.contract.kit import both

from .events import Ordered, opened


@both
async def test_what_waits_together_is_one_commit() -> None:
    """Twenty acknowledgements at once take a few commits, and every one is done."""
    async with opened() as (orders, opening):
        await orders.publish_many(Ordered(n=n) for n in range(20))
        async with orders.deliveries("g") as deliveries:
            taken = [await deliveries.receive() for _ in range(20)]
            engine: Any = opening.engine
            commit, commits = engine.commit, 0

            async def counted(*arguments: Any, **options: Any) -> Any:
                nonlocal commits
                commits += 1
                return await commit(*arguments, **options)

            engine.commit = counted
            async with anyio.create_task_group() as tasks:
                for delivery in taken:
                    tasks.start_soon(delivery.ack)
            engine.commit = commit
            assert 1 <= commits <= 4
        [group] = await orders.groups()
        assert (group.due, group.in_hand, group.retrying) == (0, 0, 0)


@both
async def test_one_that_is_too_late_fails_alone() -> None:
    """Of two that are settled together, the one that went out again gets ``LeaseLost``, and the other is done."""
    async with opened() as (orders, _):
        await orders.publish_many([Ordered(n=1), Ordered(n=2)])
        async with orders.deliveries("g", ack_wait=1.0, retry_after=0.0) as deliveries:
            late = await deliveries.receive()
            await anyio.sleep(2)
            again = [await deliveries.receive(), await deliveries.receive()]
            outcomes: list[str] = []

            async def ack(delivery: Any) -> None:
                try:
                    await delivery.ack()
                except LeaseLost:
                    outcomes.append("lost")
                else:
                    outcomes.append("done")

            async with anyio.create_task_group() as tasks:
                for delivery in (late, *again):
                    tasks.start_soon(ack, delivery)
            assert sorted(outcomes) == ["done", "done", "lost"]
        [group] = await orders.groups()
        assert (group.due, group.in_hand, group.retrying, group.dead) == (0, 0, 0, 0)


@both
async def test_a_delivery_is_settled_once() -> None:
    """The second time is an error, whichever way."""
    async with opened() as (orders, _):
        await orders.publish(Ordered(n=1))
        async with orders.deliveries("g") as deliveries:
            delivery = await deliveries.receive()
            await delivery.ack()
            for again in (delivery.ack, delivery.retry, delivery.release):
                with pytest.raises(RuntimeError, match="settled"):
                    await again()


@both
@pytest.mark.parametrize("is_made", [True, False])
async def test_a_cancelled_acknowledgement_is_stored_nevertheless(is_made: bool) -> None:
    """Whether its commit was made when the caller was cancelled, or had not been handed over."""
    async with opened() as (orders, opening):
        await orders.publish_many([Ordered(n=1), Ordered(n=2)])
        async with orders.deliveries("g", buffer=2, ack_wait=1_000) as deliveries:
            delivery = await deliveries.receive()
            engine: Any = opening.engine
            commit = engine.commit

            async def slow(change: Any, **options: Any) -> Any:
                engine.commit = commit
                if is_made:
                    await commit(change, **options)
                await anyio.sleep_forever()

            engine.commit = slow
            with anyio.move_on_after(1) as cancelled:
                await delivery.ack()
            assert cancelled.cancelled_caught
            with pytest.raises(RuntimeError, match="settled"):
                await delivery.ack()
            [group] = await orders.groups()
            assert (group.due, group.in_hand, group.retrying) == (0, 1, 0)
