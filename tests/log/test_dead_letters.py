"""Dead letters: what they keep, which of them go out again, and which are deleted."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from evenflow.log._engine import Append, Change
from tests.contract.kit import both

from .events import Ordered, opened


@both
async def test_they_are_chosen_by_offset_condition_and_limit() -> None:
    """``redrive`` and ``discard`` take some, or all."""
    async with opened() as (orders, _):
        offsets = await orders.publish_many(Ordered(n=n) for n in range(6))
        async with orders.deliveries("g") as deliveries:
            for _ in range(6):
                await (await deliveries.receive()).reject("broken")
            letters = await orders.dead_letters("g").to_list()
            assert [(letter.offset, letter.error, letter.attempts) for letter in letters] == [
                (offset, "broken", 1) for offset in offsets
            ]
            assert await orders.redrive("g", [offsets[0], offsets[0]]) == 1
            assert await orders.redrive("g", "all", where=Ordered.n > 3, limit=1) == 1
            assert await orders.redrive("g", offsets, where=Ordered.n == 2) == 1
            assert await orders.discard("g", [offsets[1]]) == 1
            assert await orders.discard("g", [offsets[1]]) == 0
            again = [await deliveries.receive() for _ in range(3)]
            assert sorted((d.event.n, d.attempt) for d in again) == [(0, 1), (2, 1), (4, 1)]
        assert [letter.event for letter in await orders.dead_letters("g").to_list()] == [Ordered(n=3), Ordered(n=5)]


@both
async def test_one_that_nobody_can_read_has_its_data() -> None:
    """``event`` is None, and name and data are as they were stored; a condition does not choose it."""
    async with opened() as (orders, opening):
        [seq] = (await opening.engine.commit(Change(appends=[Append("orders", "Unknown", 1, b'{"x":1}')]))).seqs
        async with orders.deliveries("g", undecodable_after=timedelta(seconds=1)) as deliveries:
            await orders.publish(Ordered(n=1))
            async with await deliveries.receive() as delivery:
                assert delivery.event == Ordered(n=1)
            with pytest.raises(TimeoutError):
                with anyio.fail_after(600):
                    await deliveries.receive()
        [letter] = await orders.dead_letters("g").to_list()
        assert (letter.event, letter.type, letter.data, letter.offset.seq) == (None, "Unknown", b'{"x":1}', seq)
        assert await orders.redrive("g", "all", where=Ordered.n > 0) == 0
