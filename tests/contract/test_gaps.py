"""Section 2, gaps: where events were dropped, the stream carries a `Gap` in their place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from evenflow import Gap

from .kit import Order, Subject, Tick, balanced, both, fill, group, read_all, settle, take_all, turn


def drawn(events: list[Any]) -> list[Any]:
    """The number of each event, and `-count` for a gap."""
    return [-event.count if isinstance(event, Gap) else event.n for event in events]


@both
async def test_with_drop_oldest_the_gap_comes_before_what_is_left() -> None:
    """The oldest three events were dropped: the gap comes before the fourth."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow="drop_oldest", gaps=True)
    fill(subject, 5)
    assert drawn(take_all(subscription)) == [-3, 3, 4]


@both
async def test_with_drop_newest_the_gap_comes_after_what_was_kept() -> None:
    """The gap comes after the buffered events and before the next one that is accepted."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow="drop_newest", gaps=True)
    fill(subject, 5)
    received = [subscription.receive_nowait() for _ in range(2)]
    fill(subject, 1, 5)
    received += take_all(subscription)
    assert drawn(received) == [0, 1, -3, 5]


@both
async def test_a_gap_at_the_end_can_be_received_at_once() -> None:
    """A gap after the last event does not wait for the next event."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow="drop_newest", gaps=True)
    fill(subject, 3)
    assert drawn(take_all(subscription)) == [0, -2]
    fill(subject, 1, 3)
    assert drawn(take_all(subscription)) == [3]


@both
async def test_two_gaps_with_an_event_between_stay_two() -> None:
    """Gaps merge only if they are neighbours."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow="drop_newest", gaps=True)
    fill(subject, 3)
    received = [subscription.receive_nowait()]
    fill(subject, 3, 3)
    received += take_all(subscription)
    assert drawn(received) == [0, 1, -1, 3, -2]


@both
async def test_dropping_the_event_between_two_gaps_merges_them() -> None:
    """When drop_oldest drops what was between two gaps they become one."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow="drop_oldest", gaps=True)
    fill(subject, 2)
    fill(subject, 5, 2)
    assert drawn(take_all(subscription)) == [-6, 6]


@both
async def test_a_gap_comes_exactly_where_events_are_missing() -> None:
    """One event is read, two are dropped, the rest is read: the gap comes second."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow="drop_oldest", gaps=True)
    fill(subject, 2)
    received: list[Any] = [subscription.receive_nowait()]
    fill(subject, 3, 2)
    received += take_all(subscription)
    assert drawn(received) == [0, -2, 3, 4]
    balanced(subscription)


@both
async def test_a_gap_takes_no_slot() -> None:
    """With a gap in the stream the buffer still holds `buffer` events."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, overflow="drop_newest", gaps=True)
    fill(subject, 3)
    assert subscription.statistics().waiting == 2
    received = [subscription.receive_nowait(), subscription.receive_nowait()]
    fill(subject, 2, 3)
    assert subscription.statistics().waiting == 2
    assert subscription.statistics().dropped == 1
    assert drawn(received + take_all(subscription)) == [0, 1, -1, 3, 4]


@both
async def test_first_at_and_last_at_say_when_the_drops_happened() -> None:
    """Both are UTC, in order, and lie within the test."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow="drop_oldest", gaps=True)
    before = datetime.now(UTC)
    fill(subject, 5)
    after = datetime.now(UTC)
    gap: Any = take_all(subscription)[0]
    assert gap.first_at.utcoffset() is not None
    assert gap.first_at.utcoffset().total_seconds() == 0
    assert before <= gap.first_at <= gap.last_at <= after


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
@both
async def test_last_at_moves_with_each_drop_and_first_at_stays(overflow: Any) -> None:
    """A gap that grows says when the first of its events was dropped, and when the last."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow=overflow, gaps=True)
    fill(subject, 2)
    between = await _later()
    fill(subject, 1, 2)
    gap: Any = next(item for item in take_all(subscription) if isinstance(item, Gap))
    assert gap.count == 2
    assert gap.first_at < between <= gap.last_at


async def _later() -> datetime:
    """A moment after this one: the clock has moved on."""
    now = datetime.now(UTC)
    while (later := datetime.now(UTC)) == now:
        await turn()
    return later


@both
async def test_replacing_makes_no_gap() -> None:
    """An event that was replaced leaves no gap; a key that was dropped does."""
    subject = Subject(Tick)
    subscription = subject.subscribe(Tick, conflate=Tick.symbol, buffer=2, gaps=True)
    for symbol in "ababab":
        await subject.publish(Tick(symbol=symbol, price=1))
    assert not any(isinstance(event, Gap) for event in take_all(subscription))
    for symbol in "abc":
        await subject.publish(Tick(symbol=symbol, price=2))
    received = take_all(subscription)
    assert isinstance(received[0], Gap)
    assert received[0].count == 1
    assert [event.symbol for event in received[1:] if isinstance(event, Tick)] == ["b", "c"]


@both
async def test_without_gaps_there_are_none() -> None:
    """`gaps=False` is the default: only events come."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow="drop_oldest")
    fill(subject, 5)
    assert take_all(subscription) == [Order(n=4)]


@both
async def test_block_makes_no_gap() -> None:
    """Where nothing is dropped there is no gap, even with `gaps=True`."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=2, gaps=True)
    fill(subject, 2)
    subject.close()
    assert await read_all(subscription) == [Order(n=0), Order(n=1)]


@pytest.mark.parametrize("way", ["receive", "for", "batches", "nowait"])
@both
async def test_every_way_of_reading_gives_the_gap_in_its_place(way: str) -> None:
    """receive, async for, batches and receive_nowait all return the gap in the same place."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=3, overflow="drop_oldest", gaps=True)
    fill(subject, 3)
    head = await subscription.receive()
    fill(subject, 3, 3)
    subject.close()
    received: list[Any] = [head]
    if way == "receive":
        received += [await subscription.receive() for _ in range(4)]
    elif way == "for":
        received += await read_all(subscription)
    elif way == "batches":
        async for batch in subscription.batches():
            received += batch
    else:
        received += take_all(subscription)
    assert drawn(received) == [0, -2, 3, 4, 5]


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
@both
async def test_a_reader_that_waits_is_woken_for_a_gap(overflow: Any) -> None:
    """Two readers wait while one event is kept and others are dropped: one gets the event, the other the gap."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1, overflow=overflow, gaps=True)
    had: list[Any] = []

    async def read() -> None:
        had.append(await subscription.receive())

    async with group() as tasks:
        tasks.start_soon(read)
        await settle()
        tasks.start_soon(read)
        await settle()
        fill(subject, 3)
        await settle()
        assert sorted(drawn(had)) == ([-2, 2] if overflow == "drop_oldest" else [-2, 0])
    assert take_all(subscription) == []


@both
async def test_a_gap_is_a_frozen_value() -> None:
    """`Gap(count, first_at, last_at)` is compared by value, and cannot be changed."""
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    gap = Gap(2, moment, moment)
    assert gap == Gap(count=2, first_at=moment, last_at=moment)
    with pytest.raises((AttributeError, TypeError, ValueError)):
        gap.count = 3  # type: ignore[misc]
