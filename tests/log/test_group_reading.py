"""Reading the events of items: near ones in one look, from the log or from the dead letter that keeps them."""

from __future__ import annotations

from evenflow.log._group_reading import CLOSE, _runs, rows_of
from evenflow.log._group_records import Item, Keys
from tests.contract.kit import both

from .events import Ordered, opened


def test_numbers_that_are_close_are_read_together() -> None:
    """A gap that is wider than that begins a new look."""
    assert list(_runs([])) == []
    assert list(_runs([1, 2, 3 + CLOSE, 4 + CLOSE])) == [[1, 2], [3 + CLOSE, 4 + CLOSE]] or CLOSE < 1
    assert list(_runs([1, 1 + CLOSE])) == [[1, 1 + CLOSE]]
    assert list(_runs([1, 2 + CLOSE])) == [[1], [2 + CLOSE]]


@both
async def test_what_the_log_has_no_more_is_missing() -> None:
    """Events are found by number; one that was removed is not there, and stops nobody."""
    async with opened() as (orders, opening):
        offsets = await orders.publish_many(Ordered(n=n) for n in range(5))
        await opening.engine.trim("orders", offsets[1].seq, 10)
        items = [Item(offset.seq) for offset in offsets]
        found = await rows_of(opening.engine, "orders", Keys("orders", "g"), items)
        assert sorted(found) == [offset.seq for offset in offsets[2:]]
