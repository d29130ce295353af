"""A buffer that numbers what is appended to it, and tells when enough waits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from evenflow._mailbox import Mailbox, UserFunctions
from evenflow._numbered_buffer import NumberedBuffer
from evenflow._numbers import Numbers
from evenflow._readers import WakeUps


def counted() -> tuple[SimpleNamespace, Numbers]:
    """A publisher's count, and the numbers that follow from it."""
    counter = SimpleNamespace(published=0)
    return counter, Numbers(counter, None)


def found(buffer: NumberedBuffer[Any]) -> list[tuple[int, Any]]:
    return [(one.number, one.event) for one in buffer.take_all(100)]


def test_each_event_gets_the_number_that_the_publisher_has_reached() -> None:
    """One by one and many at once, before and after the two lanes have changed places, and to the end."""
    counter, numbers = counted()
    buffer: NumberedBuffer[Any] = NumberedBuffer(100, numbers)
    for event in "ab":
        buffer.put(None, event)
        counter.published += 1
    assert found(buffer) == [(1, "a"), (2, "b")]
    buffer.begin().extend("cde")
    counter.published += 3
    buffer.put(None, "f")
    counter.published += 1
    assert found(buffer) == [(3, "c"), (4, "d"), (5, "e"), (6, "f")]
    buffer.put(None, "g")
    assert buffer.held()[0].event == "g"
    buffer.close_stream()
    assert found(buffer) == [(7, "g")]


def test_two_buffers_hold_the_same_object() -> None:
    """So that what one reader makes of it serves all, also where many came at once."""
    _, numbers = counted()
    one, other = NumberedBuffer[Any](10, numbers), NumberedBuffer[Any](10, numbers)
    for buffer in (one, other):
        buffer.begin().extend("ab")
    assert all(mine is theirs for mine, theirs in zip(one.take_all(10), other.take_all(10), strict=True))


@pytest.mark.parametrize("is_new", [True, False])
def test_it_tells_when_enough_waits(is_new: bool) -> None:
    """Whether or not anything lay in it before; for one event and for many; and not after it was told to stop."""
    _, numbers = counted()
    buffer: NumberedBuffer[Any] = NumberedBuffer(100, numbers)
    if not is_new:
        buffer.begin().extend("abc")
        buffer.take_all(100)
        buffer.begin().extend("abc")
        buffer.take_all(100)
    told: list[int] = []
    buffer.tell_of_fill(3, lambda: told.append(len(buffer)))
    for event in "ab":
        buffer.put(None, event)
    assert told == []
    buffer.put(None, "c")
    assert told == [3]
    buffer.begin().extend("de")
    assert told == [3, 5]
    buffer.tell_of_fill(0, None)
    buffer.put(None, "f")
    assert told == [3, 5]


@pytest.mark.parametrize("kind", ["carried", "conflated"])
def test_a_mailbox_that_keeps_more_than_the_event_tells_too(kind: str) -> None:
    """Its events come by `offer`, one at a time; an event that only replaces another changes nothing."""
    unready: set[Mailbox] = set()
    functions = UserFunctions(key=lambda event: event if kind == "conflated" else None)
    if kind == "carried":
        functions.key = None
    mailbox = Mailbox(
        capacity=10, overflow="drop_oldest", functions=functions, carry=str if kind == "carried" else None,
        unready=unready, became_ready=unready.discard, wake_ups=WakeUps(), name="m", created_at=("f", 1),
    )  # fmt: skip
    told: list[int] = []
    mailbox.buffer.tell_of_fill(2, lambda: told.append(len(mailbox.buffer)))
    mailbox.offer(1, 1)
    if kind == "conflated":
        mailbox.offer(1, 1)
    assert told == []
    mailbox.offer(2, 2)
    assert told == [2]
