"""Groups from outside: their numbers, their place, their dead letters; no reader has to be open."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.log import DurableSubject
from tests.contract.kit import both, settle

from .events import Ordered, opened


async def make_group(orders: DurableSubject[Any], events: int, *, dead: bool = False) -> None:
    """A group whose first events are handled, or are dead letters, and that nobody reads now."""
    await orders.publish_many(Ordered(n=n) for n in range(events))
    async with orders.deliveries("g", max_attempts=1) as deliveries:
        for _ in range(events):
            delivery = await deliveries.receive()
            await (delivery.reject("no") if dead else delivery.ack())


@both
async def test_a_group_goes_on_where_it_was_sent() -> None:
    """Back to the start, or to an offset; a place that is none is refused."""
    async with opened() as (orders, _):
        await make_group(orders, 3)
        assert [(group.name, group.due) for group in await orders.groups()] == [("g", 0)]
        await orders.seek("g", "start")
        assert [group.due for group in await orders.groups()] == [3]
        await orders.seek("g", await orders.end())
        assert [group.due for group in await orders.groups()] == [0]
        with pytest.raises(TypeError):
            await orders.seek("g", 7)  # type: ignore[arg-type]  # what is tested


@both
async def test_a_group_is_paused_resumed_and_deleted() -> None:
    """Paused it fetches nothing; deleted it is no more; a group that there is none of is refused."""
    async with opened() as (orders, _):
        await make_group(orders, 1)
        await orders.pause("g")
        await orders.publish(Ordered(n=9))
        async with orders.deliveries("g", max_attempts=1) as deliveries:
            await settle()
            assert [(group.paused, group.in_hand) for group in await orders.groups()] == [(True, 0)]
            await orders.resume("g")
            assert (await deliveries.receive()).event.n == 9
        await orders.delete_group("g")
        assert await orders.groups() == ()
        with pytest.raises(ValueError, match="no group"):
            await orders.pause("g")


@both
async def test_dead_letters_are_listed_sent_out_again_and_discarded() -> None:
    """By offset, by a condition, or all of them; nonsense is refused where it is written."""
    async with opened() as (orders, _):
        await make_group(orders, 4, dead=True)
        letters = await orders.dead_letters("g").to_list()
        assert [letter.event.n for letter in letters if letter.event is not None] == [0, 1, 2, 3]
        assert await orders.redrive("g", "all", where=Ordered.n > 1, limit=1) == 1
        assert await orders.discard("g", [letters[0].offset]) == 1
        assert [(group.due, group.dead) for group in await orders.groups()] == [(1, 2)]
        with pytest.raises(TypeError, match="must be a condition"):
            await orders.redrive("g", "all", where=lambda _: True)  # type: ignore[arg-type]  # what is tested
        with pytest.raises(ValueError, match="limit"):
            await orders.redrive("g", "all", limit=-1)
