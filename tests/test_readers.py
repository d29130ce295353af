"""Whose turn it is to read: without an event loop, with bells that only note that they were rung."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from evenflow._readers import WAKES_A_TURN, Readers, Wakes


class Bell:
    """What a reader sleeps on."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rung = False

    def done(self) -> bool:
        """Whether it has rung."""
        return self.rung

    def set_result(self, _: None) -> None:
        """Wake the reader."""
        self.rung = True


class Box(Readers):
    """A mailbox of which only the number of items matters."""

    __slots__ = ("looked", "there")

    def __init__(self) -> None:
        super().__init__()
        self.chunk = deque()
        self.end = None
        self.there = 0
        self.looked = 0

    def items(self) -> int:
        """How many items there are."""
        return self.there

    def needs_a_look(self) -> None:
        """Count."""
        self.looked += 1


def asleep(box: Box, *names: str, first: bool = False) -> list[Any]:
    """Readers that go to sleep, one after another."""
    bells: list[Any] = [Bell(name) for name in names]
    for bell in bells:
        box.join_line(bell, first=first)
    return bells


def woken_at(box: Box) -> list[str]:
    """The names of those that were woken and have not run yet."""
    return [bell.name for bell in list[Any](box.line)[: box.woken]]


def asleep_at(box: Box) -> list[str]:
    """The names of those that sleep."""
    assert len(box.line) == box.woken + box.asleep
    return [bell.name for bell in list[Any](box.line)[box.woken :]]


def test_readers_are_woken_in_the_order_in_which_they_waited_one_an_item() -> None:
    """Two items wake two of three."""
    box = Box()
    asleep(box, "one", "two", "three")
    box.there = 2
    box.rouse()
    assert woken_at(box) == ["one", "two"]
    assert asleep_at(box) == ["three"]


def test_a_reader_that_comes_while_others_were_woken_waits_behind_them() -> None:
    """It is woken at once only if there is an item that nobody was woken for."""
    box = Box()
    asleep(box, "one")
    box.there = 1
    box.rouse()
    (late,) = asleep(box, "late")
    assert not late.rung
    box.there = 2
    box.rouse()
    assert woken_at(box) == ["one", "late"]


def test_a_reader_woken_for_nothing_keeps_its_turn() -> None:
    """It goes back to the front."""
    box = Box()
    asleep(box, "other")
    asleep(box, "again", first=True)
    assert asleep_at(box) == ["again", "other"]


def test_a_cancelled_reader_that_was_woken_passes_its_turn_on() -> None:
    """The next one is woken for the item."""
    box = Box()
    one, two = asleep(box, "one", "two")
    box.there = 1
    box.rouse()
    box.leave(one)
    assert two.rung
    assert woken_at(box) == ["two"]


def test_a_cancelled_reader_that_was_not_woken_just_leaves() -> None:
    """Nobody is woken for it."""
    box = Box()
    one, two = asleep(box, "one", "two")
    box.leave(one)
    assert asleep_at(box) == ["two"]
    assert not two.rung


@pytest.mark.parametrize("sleepers", [1, 3])
def test_who_goes_to_sleep_beside_a_chunk_makes_it_need_a_look(sleepers: int) -> None:
    """An event that simply joins the chunk would wake nobody."""
    box = Box()
    asleep(box, *map(str, range(sleepers)))
    assert box.looked >= sleepers


def woken(wakes: Wakes, count: int) -> list[Any]:
    """The bells of so many readers that should wake, each of a mailbox of its own."""
    bells: list[Any] = [Bell(str(number)) for number in range(count)]
    for bell in bells:
        wakes.ring(bell)
    return bells


def test_so_many_are_woken_at_a_time_and_each_that_runs_wakes_the_next() -> None:
    """In the order in which their events came; nobody is forgotten."""
    wakes = Wakes()
    bells = woken(wakes, WAKES_A_TURN + 2)
    assert [bell.name for bell in bells if not bell.rung] == [str(WAKES_A_TURN), str(WAKES_A_TURN + 1)]
    wakes.answered()
    assert [bell.name for bell in bells if not bell.rung] == [str(WAKES_A_TURN + 1)]
    for _ in range(WAKES_A_TURN + 1):
        wakes.answered()
    assert all(bell.rung for bell in bells)
    assert (wakes.ringing, len(wakes.due)) == (0, 0)


def test_a_reader_in_a_hurry_runs_in_the_next_turn() -> None:
    """Its bell rings now, and not a second time."""
    wakes = Wakes()
    *_, due = woken(wakes, WAKES_A_TURN + 1)
    wakes.hurry(due)
    assert due.rung
    due.rung = False
    wakes.hurry(due)
    assert not due.rung
    assert wakes.ringing == WAKES_A_TURN + 1


@pytest.mark.parametrize("was_due", [False, True])
def test_a_reader_that_is_cancelled_before_it_runs_leaves_no_bell_behind(was_due: bool) -> None:
    """Whether its bell has rung or was due: those that wait behind it still ring, each in its turn."""
    wakes = Wakes()
    woken(wakes, WAKES_A_TURN - (not was_due))
    box = Box()
    box.wakes = wakes
    (one,) = asleep(box, "one")
    box.there = 1
    box.rouse()
    assert one.rung is not was_due
    (behind,) = woken(wakes, 1)
    box.there = 0
    box.leave(one)
    assert behind.rung is not was_due
    wakes.answered()
    assert behind.rung
