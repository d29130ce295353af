"""Positions and offsets of an open log."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evenflow.log import Offset
from tests.contract.kit import both

from .events import Ordered, opened


@both
async def test_each_way_to_say_where_becomes_a_number() -> None:
    """Words, times and offsets, for a beginning and for an end."""
    async with opened() as (orders, opening):
        running = opening.running
        first, second = await orders.publish_many([Ordered(n=1), Ordered(n=2)])
        [record, _] = await orders.read().to_list()
        assert await running.position("orders", "now") == await running.limit("orders", "end") == second.seq
        assert await running.position("orders", "now", 1) == 1
        assert await running.position("orders", "start") == 0
        assert await running.position("orders", first) == await running.limit("orders", first) == first.seq
        assert await running.position("orders", record.published_at) == 0
        assert await running.limit("orders", record.published_at + timedelta(days=1)) == second.seq
        assert running.offset("orders", 1) == first
        assert running.seqs("orders", [first, second]) == [first.seq, second.seq]
        assert running.seqs("orders", "all") == "all"


@both
async def test_what_is_no_place_here_is_refused() -> None:
    """Another subject's offset, another line's, and a word."""
    async with opened() as (orders, opening):
        running = opening.running
        first = await orders.publish(Ordered(n=1))
        for wrong in (Offset("others", first.lineage, 1), Offset("orders", "elsewhere", 1)):
            with pytest.raises(ValueError, match=r"others|elsewhere"):
                await running.position("orders", wrong)
            with pytest.raises(ValueError, match=r"others|elsewhere"):
                running.seqs("orders", [wrong])
        with pytest.raises(ValueError, match=r"Offset\.parse"):
            running.seqs("orders", "orders.memory-1.1")  # type: ignore[arg-type]  # nonsense on purpose
        for nonsense in ([1], [None], ["orders.memory-1.1"], first):
            with pytest.raises(TypeError, match="offsets must be"):
                running.seqs("orders", nonsense)  # type: ignore[arg-type]  # nonsense on purpose
        error = running.expired("orders", 1, 5)
        assert (error.offset.seq, error.floor.seq) == (1, 5)
