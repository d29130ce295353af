"""Dead letters: what they keep, which of them go out again, and which are deleted."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from evenflow.log import _dead_letters, _group_statistics
from evenflow.log._stored import Append, Change
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


@both
async def test_those_of_a_group_that_is_not_there_are_refused() -> None:
    """The message names the groups that there are: a wrong name is not an empty list."""
    async with opened() as (orders, _):
        async with orders.deliveries("billing"):
            pass
        for ask in (
            orders.redrive("biling", "all"),
            orders.discard("biling", "all"),
            orders.dead_letters("biling").to_list(),
        ):
            with pytest.raises(ValueError, match="has no group 'biling': it has 'billing'"):
                await ask
        with pytest.raises(ValueError, match="the name of a group"):
            await orders.redrive("no name", "all")


@both
async def test_there_may_be_more_than_one_page_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read, sent out and discarded in pages, in order, and counted whole."""
    monkeypatch.setattr(_dead_letters, "IN_ONE_COMMIT", 3)
    monkeypatch.setattr(_group_statistics, "AT_A_TIME", 2)
    async with opened() as (orders, _):
        offsets = await orders.publish_many(Ordered(n=n) for n in range(10))
        async with orders.deliveries("g") as deliveries:
            for _ in range(10):
                await (await deliveries.receive()).reject("broken")
        assert [letter.event for letter in await orders.dead_letters("g").to_list()] == [
            Ordered(n=n) for n in range(10)
        ]
        [group] = await orders.groups()
        assert group.dead == 10
        assert await orders.redrive("g", "all", where=Ordered.n > 1, limit=4) == 4
        assert await orders.discard("g", offsets[5:]) == 4
        assert [letter.offset for letter in await orders.dead_letters("g").to_list()] == offsets[:2]
        assert await orders.redrive("g", "all", limit=0) == 0


@both
async def test_several_of_one_key_go_out_again_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent out in one go, in several commits, or one after the other: before what waits, and the oldest first."""
    monkeypatch.setattr(_dead_letters, "IN_ONE_COMMIT", 2)
    async with opened() as (orders, _):
        offsets = await orders.publish_many(Ordered(n=n) for n in range(7))
        async with orders.deliveries("g", Ordered, ordered_by=Ordered.region, buffer=1) as deliveries:
            for _ in range(6):
                await (await deliveries.receive()).reject("broken")
        assert await orders.redrive("g", offsets[:1]) == 1
        assert await orders.redrive("g", "all") == 5
        handled: list[int] = []
        async with orders.deliveries("g", Ordered, ordered_by=Ordered.region, buffer=1) as deliveries:
            for _ in range(7):
                async with await deliveries.receive() as delivery:
                    handled.append(delivery.event.n)
        assert handled == [0, 1, 2, 3, 4, 5, 6]
