"""What is due in a group: retries and lanes, without what this reader could not read lately."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from evenflow.log import _due
from evenflow.log._claiming import Reading
from evenflow.log._due import Due
from evenflow.log._group_records import Item, Keys, LaneRecord, RetryRecord
from evenflow.log._known_lanes import KnownLanes
from evenflow.log._stored import Change, Put, Row
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing._memory_store import MemoryStore
from tests.contract.kit import both

KEYS = Keys("orders", "g")


async def opened() -> MemoryEngine:
    log = MemoryEngine(MemoryStore())
    await log.open()
    return log


def due_in(log: MemoryEngine, undecodable_after: float = 1_000.0) -> Due:
    return Due(log, KEYS, undecodable_after, KnownLanes(log, KEYS))


async def put_retry(log: MemoryEngine, seq: int, in_seconds: float, **item: Any) -> None:
    at = log.wall() + in_seconds
    retry = RetryRecord(Item(seq, due=at, **item), "why")
    await log.commit(Change(puts={KEYS.retry_of(seq): Put(retry.dump(), at)}))


async def put_lane(log: MemoryEngine, name: str, *items: Item) -> None:
    lane = LaneRecord(items)
    await log.commit(Change(puts={KEYS.lane + name: Put(lane.dump(), lane.due(log.wall()))}))


async def seqs(due: Due, log: MemoryEngine, *, after: float = 0.0, room: int = 10) -> list[int]:
    found = await due.load(log.wall() + after, room, lanes=True)
    return [item.seq for item in found.items(room)[0]]


@both
async def test_what_is_due_are_retries_and_the_first_events_of_lanes() -> None:
    """Of each lane as many as there is room for; of a group without an order no lanes."""
    log = await opened()
    due = due_in(log)
    await put_retry(log, 1, 0)
    await put_retry(log, 2, 5)
    await put_lane(log, "a", Item(3), Item(4), Item(5))
    again = await due.load(log.wall(), 3, lanes=True)
    items, most = again.items(3)
    assert ([item.seq for item in items], most) == ([1, 3, 4], 2)
    assert set(again.records) | set(again.heads) == {KEYS.retry_of(1), KEYS.lane + "a"}
    assert not (await due.load(log.wall(), 3, lanes=False)).lanes


@both
async def test_what_could_not_be_read_is_left_to_others_for_as_long_again_as_the_last_pause() -> None:
    """It was put off for 4 seconds, so this reader claims it 4 seconds after it became due; others at once."""
    log = await opened()
    due, other = due_in(log), due_in(log)
    await put_retry(log, 1, 4, seen=log.wall(), tries=3)
    due.note_unreadable([1])
    assert await seqs(other, log, after=4) == [1]
    assert await seqs(due, log, after=7.9) == []
    assert await seqs(due, log, after=8) == [1]


@both
async def test_what_is_left_alone_takes_no_place_from_others() -> None:
    """A reader that has room for one event gets the one behind it."""
    log = await opened()
    due = due_in(log)
    for seq in (1, 2, 3, 4):
        await put_retry(log, seq, seq / 10, seen=log.wall(), tries=9)
    due.note_unreadable([1, 2])
    assert await seqs(due, log, after=1, room=1) == [3]


@both
async def test_it_is_left_alone_no_more_once_its_time_is_over() -> None:
    """Somebody must make it a dead letter."""
    log = await opened()
    due = due_in(log, undecodable_after=10)
    await put_retry(log, 1, 4, seen=log.wall(), tries=9)
    due.note_unreadable([1])
    assert await seqs(due, log, after=9.9) == []
    assert await seqs(due, log, after=10) == [1]


@both
async def test_a_lane_whose_first_event_could_not_be_read_is_left_alone() -> None:
    """Its other events must wait for that anyway; a lane where it is not the first goes out."""
    log = await opened()
    due = due_in(log)
    await put_lane(log, "a", Item(1, due=log.wall(), seen=log.wall(), tries=2), Item(2))
    await put_lane(log, "b", Item(3), Item(4))
    due.note_unreadable([1, 4])
    assert await seqs(due, log) == [3, 4]
    assert await seqs(due, log, after=2) == [1, 2, 3, 4]


@both
async def test_the_next_is_due_when_this_reader_may_claim_it() -> None:
    """It does not wake for what it leaves alone; what another has made of it meanwhile counts."""
    log = await opened()
    due = due_in(log)
    assert await due.next(lanes=True) == inf
    await put_retry(log, 1, 0, seen=log.wall(), tries=4)
    assert await due.next(lanes=False) == log.wall()
    due.note_unreadable([1])
    assert await due.next(lanes=False) == log.wall() + 8
    await put_retry(log, 2, 3)
    assert await due.next(lanes=False) == log.wall() + 3
    await put_lane(log, "a", Item(3, due=log.wall() + 2))
    assert await due.next(lanes=True) == log.wall() + 2


@both
async def test_what_it_can_read_by_now_is_left_alone_no_more() -> None:
    """A class that was defined since."""
    log = await opened()
    due = due_in(log)
    await put_retry(log, 1, 0, seen=log.wall(), tries=9)
    due.note_unreadable([1])
    row = Row(1, "Placed", 1, b"{}", {}, "", 0)
    due.note_read({1: Reading(row, error="it cannot be read")})
    assert await seqs(due, log) == []
    due.note_read({1: Reading(row, object())})
    assert await seqs(due, log) == [1]


@both
async def test_a_reader_remembers_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ones that failed first are tried again."""
    monkeypatch.setattr(_due, "MOST_REMEMBERED", 2)
    log = await opened()
    due = due_in(log)
    for seq in (1, 2, 3):
        await put_retry(log, seq, 0, seen=log.wall(), tries=9)
    due.note_unreadable([2, 1])
    due.note_unreadable([2, 3])
    assert await seqs(due, log) == [1]
