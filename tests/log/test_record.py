"""A record: the event and what was stored with it, made when it is asked for."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from evenflow.log import Offset, Record
from evenflow.log._stored import Row
from evenflow.testing import MemoryLog
from tests.contract.kit import both

from .events import Ordered


def record(n: int, seq: int, name: str = "") -> Record[Ordered]:
    """A record of one subject."""
    row = Row(seq, "Ordered", 1, b"{}", {"a": "b"}, name, 1_000_000)
    return Record(Ordered(n=n), row, lambda seq: Offset("orders", "l", seq))


def test_everything_is_there_when_it_is_asked_for() -> None:
    """Offset, id, time and headers come from the row."""
    one = record(1, 5)
    assert (one.event, one.offset, dict(one.headers)) == (Ordered(n=1), Offset("orders", "l", 5), {"a": "b"})
    assert one.published_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert (one.id, record(1, 5, "given").id) == ("orders.l.5", "given")
    assert repr(one) == "<Record orders.l.5 Ordered(n=1, region='eu')>"


def test_two_of_one_offset_are_equal() -> None:
    """Records can be compared and put into sets."""
    assert record(1, 5) == record(1, 5)
    assert record(1, 5) != record(1, 6)
    assert record(1, 5) != "something else"
    assert len({record(1, 5), record(1, 5), record(2, 6)}) == 2


@both
async def test_nobody_changes_what_others_read() -> None:
    """Readers share a record: its headers are read-only, and equal to the mapping that was published."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log, orders.records() as one, orders.records() as other:
        await orders.publish(Ordered(n=1), headers={"tenant": "a"})
        headers: Any = (await one.receive()).headers
        with pytest.raises(TypeError, match="does not support item assignment"):
            headers["tenant"] = "b"
        assert (await other.receive()).headers == {"tenant": "a"}
        await orders.publish(Ordered(n=2), headers=headers)
        assert (await other.receive()).headers == {"tenant": "a"}


def test_it_is_not_copied() -> None:
    """A copy in another process would know no log: what may travel is its event, or its offset."""
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="keep its event"):
            copied(record(1, 5))
