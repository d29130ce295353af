"""The number of each event in one life of a subject."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from evenflow import Event, Gap, Subject, Subscription
from evenflow._numbers import Numbered

from .contract.kit import both


class Order(Event):
    """An order."""

    n: int


def numbered(subject: Subject[Any], after: int = 0, **given: Any) -> Subscription[Any]:
    gaps = given.get("overflow") != "disconnect"
    return subject._subscribe((), after=after, gaps=gaps, created_at=("f", 1), **given)


def taken(subscription: Subscription[Any]) -> list[tuple[int, int]]:
    """The numbers, and the events, of all that waits."""
    found = []
    while subscription.statistics().waiting:
        one = subscription.receive_nowait()
        assert isinstance(one, Numbered)
        found.append((one.number, one.event.n))
    return found


@both
async def test_the_nth_event_that_is_published_has_the_number_n() -> None:
    """Whoever wants it, however it is published, and where one instance comes twice."""
    subject = Subject(Order)
    order = Order(n=7)
    async with numbered(subject, where=Order.n > 5) as some, numbered(subject) as everything:
        await subject.publish(Order(n=1))
        subject.publish_nowait(order)
        await subject.publish_many([Order(n=2), order])
        assert taken(some) == [(2, 7), (4, 7)]
        assert taken(everything) == [(1, 1), (2, 7), (3, 2), (4, 7)]


@both
async def test_all_readers_of_one_event_get_the_same_object() -> None:
    """So that what one makes of it serves all; also those who get it from the replay while it lies with others."""
    subject = Subject(Order, replay=3)
    async with numbered(subject) as one, numbered(subject, where=Order.n > 0) as other:
        await subject.publish(Order(n=1))
        async with numbered(subject) as late:
            first = one.receive_nowait()
            assert first is other.receive_nowait() is late.receive_nowait()


@both
async def test_one_goes_on_after_a_number_with_what_is_kept() -> None:
    """And is told whether that is everything."""
    subject = Subject(Order, replay=3)
    await subject.publish_many([Order(n=n) for n in range(1, 6)])
    numbers = subject._life.numbers
    assert (numbers.newest, numbers.start()) == (5, 2)
    for after, expected in ((5, []), (4, [(5, 5)]), (2, [(3, 3), (4, 4), (5, 5)]), (0, [(3, 3), (4, 4), (5, 5)])):
        async with numbered(subject, after) as subscription:
            assert taken(subscription) == expected
        assert numbers.reaches_back_to(after) is (after >= 2)


@both
async def test_a_subject_that_keeps_nothing_reaches_back_to_nothing() -> None:
    """Not even to its newest event: nobody knows what came while one was away."""
    subject = Subject(Order)
    await subject.publish(Order(n=1))
    assert not subject._life.numbers.reaches_back_to(1)
    assert subject._life.numbers.start() == 1


@both
async def test_a_number_keeps_no_event_alive() -> None:
    """It goes when the last reader has taken it."""
    subject = Subject(Order)
    async with numbered(subject) as subscription:
        await subject.publish(Order(n=1))
        numbers = subject._life.numbers
        assert len(numbers._known or ()) == 1
        subscription.receive_nowait()
        gc.collect()
        assert len(numbers._known or ()) == 0


@both
async def test_each_life_has_an_epoch_of_its_own() -> None:
    """So that a number of a former one is not taken for one of this."""
    subject = Subject(Order)
    async with subject:
        first = subject._life.numbers.epoch
    async with subject:
        assert subject._life.numbers.epoch != first


@both
async def test_whether_it_was_left_or_closed_is_known() -> None:
    """One that was left may begin anew; one that was closed before it was left has ended."""
    subject = Subject(Order)
    async with subject:
        pass
    assert subject._life.was_left
    async with subject:
        subject.close()
    assert not subject._life.was_left


@pytest.mark.parametrize("overflow, gaps", [("drop_oldest", 1), ("disconnect", 0)])
@both
async def test_dropped_events_are_gaps_where_something_comes_after_them(overflow: str, gaps: int) -> None:
    """A reader that is disconnected gets nothing after what it has."""
    subject = Subject(Order)
    async with numbered(subject, buffer=1, overflow=overflow) as subscription:
        await subject.publish_many([Order(n=1), Order(n=2)])
        assert sum(isinstance(one, Gap) for one in await subscription.batches().receive()) == gaps


@both
async def test_plain_subscribers_get_plain_events() -> None:
    """Beside those that asked for numbers."""
    subject = Subject(Order, replay=1)
    async with subject.subscribe() as plain, numbered(subject):
        await subject.publish(Order(n=1))
        async with subject.subscribe() as late:
            assert plain.receive_nowait() == late.receive_nowait() == Order(n=1)
