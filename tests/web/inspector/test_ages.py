from __future__ import annotations

from typing import Any

from evenflow._buffer import Buffer, ConflatedBuffer
from evenflow.web._inspector._ages import MOST_LOOKS, Ages, Oldest


def test_an_empty_buffer_has_no_oldest_event() -> None:
    """Where nothing waits, nothing is old."""
    assert Ages().look(Buffer[Any](8), 1.0) is None


def test_an_event_is_as_old_as_the_first_look_that_saw_it() -> None:
    """What came in after a look, and is still there, is as old as the next look."""
    buffer, ages = Buffer[Any](8), Ages()
    ages.look(buffer, 1.0)
    buffer.put(None, "a")
    assert ages.look(buffer, 2.0) == Oldest(2.0, at_least=False)
    buffer.put(None, "b")
    assert ages.look(buffer, 3.0) == Oldest(2.0, at_least=False)


def test_the_age_moves_on_with_what_is_read() -> None:
    """When the oldest was read, the next one's age is shown."""
    buffer, ages = Buffer[Any](8), Ages()
    ages.look(buffer, 1.0)
    for at, event in enumerate("abc", 2):
        buffer.put(None, event)
        ages.look(buffer, float(at))
    buffer.take()
    assert ages.look(buffer, 5.0) == Oldest(3.0, at_least=False)
    buffer.take()
    buffer.take()
    assert ages.look(buffer, 6.0) is None


def test_of_what_was_there_before_the_first_look_only_the_least_is_known() -> None:
    """An event that was there at the first look waits at least since then; the next one is known again."""
    buffer, ages = Buffer[Any](8), Ages()
    buffer.put(None, "a")
    assert ages.look(buffer, 1.0) == Oldest(1.0, at_least=True)
    buffer.put(None, "b")
    assert ages.look(buffer, 2.0) == Oldest(1.0, at_least=True)
    buffer.take()
    assert ages.look(buffer, 3.0) == Oldest(2.0, at_least=False)


def test_dropping_the_oldest_makes_the_oldest_younger() -> None:
    """A dropped event waits no more."""
    buffer, ages = Buffer[Any](2), Ages()
    ages.look(buffer, 1.0)
    buffer.put(None, "a")
    ages.look(buffer, 2.0)
    buffer.put(None, "b")
    ages.look(buffer, 3.0)
    buffer.drop_oldest()
    assert ages.look(buffer, 4.0) == Oldest(3.0, at_least=False)


def test_a_conflated_event_is_as_old_as_what_replaced_it() -> None:
    """A replaced event is not there any more: the one in its place is younger."""
    buffer, ages = ConflatedBuffer[Any](8), Ages()
    ages.look(buffer, 1.0)
    buffer.put("k", "old")
    assert ages.look(buffer, 2.0) == Oldest(2.0, at_least=False)
    cell = buffer.find("k")
    assert cell is not None
    buffer.replace(cell, "new")
    assert ages.look(buffer, 3.0) == Oldest(3.0, at_least=False)


def test_a_replay_is_at_least_as_old_as_the_first_look() -> None:
    """What a subscription got from before it was made has been waiting for nobody knows how long."""
    buffer, ages = Buffer[Any](8), Ages()
    buffer.give_replay(["a"])
    assert ages.look(buffer, 1.0) == Oldest(1.0, at_least=True)


def test_looks_are_bounded() -> None:
    """However long nobody reads, few looks are remembered, and the oldest keeps its age."""
    buffer, ages = Buffer[Any](100_000), Ages()
    ages.look(buffer, 0.0)
    for at in range(1, 1_000):
        buffer.put(None, at)
        oldest = ages.look(buffer, float(at))
    assert oldest is not None and oldest.since <= 2.0
    assert len(ages._looks) <= MOST_LOOKS
