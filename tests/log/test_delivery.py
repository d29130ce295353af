"""A delivery in somebody's hands: what its block does, and what may be done once."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from evenflow._errors import LeaseLost
from evenflow.log import Batch, Delivery
from tests.contract.kit import both

from .events import Ordered, opened


@both
async def test_a_cancelled_block_gives_it_back_uncounted() -> None:
    """The next hand-over is attempt 1 again, and its exception goes out."""
    async with opened() as (orders, _):
        await orders.publish(Ordered(n=1))
        async with orders.deliveries("g") as deliveries:
            with anyio.CancelScope() as scope:
                async with await deliveries.receive():
                    scope.cancel()
                    await anyio.sleep(1)
            again = await deliveries.receive()
            assert again.attempt == 1
            async with again:
                await again.ack()  # leaving the block does nothing then
            assert "settled" in repr(again)


@both
async def test_inside_its_block_its_time_does_not_run() -> None:
    """A handler may take longer than ``ack_wait``; outside, ``extend`` gives it more time."""
    async with opened() as (orders, _):
        await orders.publish_many([Ordered(n=1), Ordered(n=2)])
        async with orders.deliveries("g", ack_wait=5.0, retry_after=0.0) as deliveries:
            async with await deliveries.receive() as first:
                await anyio.sleep(60)
                assert first.attempt == 1
            second = await deliveries.receive()
            assert (second.event.n, second.attempt) == (2, 1)
            await second.extend(100)
            await anyio.sleep(60)
            await second.ack()
        [group] = await orders.groups()
        assert (group.due, group.retrying, group.in_hand) == (0, 0, 0)


@both
async def test_a_batch_is_a_tuple_that_is_settled_whole() -> None:
    """One of them that was settled before is left alone."""
    async with opened() as (orders, _):
        await orders.publish_many(Ordered(n=n) for n in range(3))
        async with orders.deliveries("g") as deliveries:
            batch = await anext(aiter(deliveries.batches(3)))
            assert isinstance(batch, Batch)
            assert isinstance(batch, tuple)
            async with batch:
                await batch[1].reject("no")
        assert [letter.event for letter in await orders.dead_letters("g").to_list()] == [Ordered(n=1)]
        [group] = await orders.groups()
        assert (group.due, group.retrying, group.in_hand) == (0, 0, 0)


@both
async def test_nonsense_is_refused_and_the_delivery_stays() -> None:
    """A wait that is none changes nothing."""
    async with opened() as (orders, _):
        await orders.publish(Ordered(n=1))
        async with orders.deliveries("g") as deliveries:
            delivery = await deliveries.receive()
            for wrong in (-1.0, float("nan"), float("inf")):
                with pytest.raises(ValueError, match="seconds"):
                    await delivery.retry(after=wrong)
                with pytest.raises(ValueError, match="seconds"):
                    await delivery.extend(wrong)
            await delivery.ack()


@both
async def test_nonsense_for_a_batch_is_refused_and_what_was_settled_cannot_be_extended() -> None:
    """As for one delivery: a reason is a text, a wait is finite, and what is settled stays settled."""
    async with opened() as (orders, _):
        await orders.publish_many([Ordered(n=1), Ordered(n=2)])
        async with orders.deliveries("g") as deliveries:
            batches = deliveries.batches(2, within=0.5)
            assert repr(batches) == f"<batches of at most 2 within 0.5 s of {deliveries!r}>"
            batch = await anext(aiter(batches))
            reason: Any = 5
            with pytest.raises(TypeError, match="reason as a str, not 5"):
                await batch.reject(reason)
            with pytest.raises(ValueError, match="seconds"):
                await batch.extend(-1)
            await batch.ack()
            with pytest.raises(RuntimeError, match="settled once"):
                await batch.extend(5)


class Blocks:
    """Who follows blocks of deliveries, and notes what it is asked."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    @contextmanager
    def inside(self, deliveries: Sequence[Delivery[Any]], /, *, batch: bool) -> Generator[None]:
        """Note the block, and how it is left."""
        ns = [delivery.event.n for delivery in deliveries]
        self.heard.append((ns, batch))
        try:
            yield
        except LookupError:
            self.heard.append(("failed", ns))
            raise
        self.heard.append(("left", ns))


@both
async def test_whoever_follows_deliveries_is_entered_and_left_with_each_block() -> None:
    """With that of a delivery, with that of a batch, and with one of a delivery inside that of its batch."""
    async with opened() as (orders, _):
        await orders.publish_many(Ordered(n=n) for n in range(4))
        blocks = Blocks()
        async with orders.deliveries("g") as deliveries:
            deliveries._trace(blocks)
            with pytest.raises(LookupError):
                async with await deliveries.receive():
                    raise LookupError
            async with await deliveries.receive():
                pass
            async with await anext(aiter(deliveries.batches(2))) as batch:
                async with batch[0]:
                    pass
            deliveries._trace(None)
            await orders.publish(Ordered(n=9))
        async with orders.deliveries("g") as deliveries, await deliveries.receive():
            pass
    assert blocks.heard == [
        ([0], False), ("failed", [0]), ([1], False), ("left", [1]),
        ([2, 3], True), ([2], False), ("left", [2]), ("left", [2, 3]),
    ]  # fmt: skip


@both
async def test_a_block_is_over_before_its_delivery_is_settled() -> None:
    """Whoever follows it hears of what the block did, and not of what becomes of the delivery."""
    async with opened() as (orders, _):
        await orders.publish(Ordered(n=1))
        blocks = Blocks()
        async with orders.deliveries("g") as deliveries:
            deliveries._trace(blocks)
            delivery = await deliveries.receive()
            await orders.delete_group("g")
            with pytest.raises(LeaseLost):
                async with delivery:
                    pass
    assert blocks.heard == [([1], False), ("left", [1])]
