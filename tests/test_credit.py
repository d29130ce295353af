"""Credit: for how many events nobody looks, what ends it, and what was published on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from evenflow._credit import ADVANCE, FIRST_ADVANCE, Credit, NoEvent
from evenflow._turns import DELIVERIES_A_TURN, Turns, turns_here


class Box:
    """A mailbox of which only its fill matters."""

    def __init__(self, capacity: int = 4, *, fill: int = 0, ready: int = 0, limit: int | None = None) -> None:
        self.capacity = capacity
        self.chunk: deque[Any] = deque(range(fill))
        self.ready: deque[Any] = deque(range(ready))
        self.front: deque[Any] = deque()
        self.limit = capacity if limit is None else limit


class Here:
    """An event."""


@pytest.fixture(autouse=True)
def _a_turn_begins() -> None:
    turns_here().begin()


def given(*boxes: Box, room: int) -> tuple[Credit[Box], set[Box]]:
    """A credit that was given for these, and the set of those that need a look."""
    careful: set[Box] = set()
    credit = Credit(careful)
    credit.give(Here, dict.fromkeys(boxes), room)
    return credit, careful


def spend(credit: Credit[Box], events: int) -> None:
    """Publish so many events on credit."""
    for _ in range(events):
        assert credit.left
        credit.left -= 1
        for box in credit.everyone:
            box.chunk.append(None)


def test_before_anybody_has_looked_there_is_none() -> None:
    """And there is nothing to end."""
    credit: Credit[Box] = Credit(set())
    assert (credit.cls, credit.left, credit.room, credit.only) == (NoEvent, 0, 0, None)
    assert not credit.end()
    assert (credit.published, credit.deliveries) == (0, 0)


def test_the_first_event_is_the_one_of_who_looked() -> None:
    """It is counted with those that follow."""
    credit, _ = given(Box(), Box(), room=4)
    assert credit.left == 3
    assert (credit.published, credit.deliveries) == (1, 2)
    spend(credit, 2)
    assert (credit.published, credit.deliveries) == (3, 6)


def test_where_only_one_wants_the_event_it_is_known() -> None:
    """Two of them are gone round."""
    box = Box()
    assert given(box, room=4)[0].only is box
    assert given(box, Box(), room=4)[0].only is None


@pytest.mark.parametrize("spent", [0, 1, 3])
def test_what_was_published_stays_counted_when_it_ends(spent: int) -> None:
    """Ending it changes no sum, the second time neither."""
    credit, _ = given(Box(), Box(), room=4)
    spend(credit, spent)
    for _ in range(2):
        credit.end()
        assert (credit.cls, credit.left, credit.room) == (NoEvent, 0, 0)
        assert (credit.published, credit.deliveries) == (1 + spent, 2 + 2 * spent)


def test_an_end_holds_nobody() -> None:
    """The mailboxes may go."""
    credit, _ = given(Box(), room=4)
    credit.end()
    assert not credit.everyone
    assert credit.only is None


def test_who_has_become_full_on_it_needs_a_look_from_its_end_on() -> None:
    """One that has more room does not, nor one whose reader has gone on meanwhile."""
    full, roomy, read = Box(2, fill=1), Box(9, fill=1), Box(2, fill=1, limit=1)
    credit, careful = given(full, roomy, read, room=2)
    spend(credit, 1)
    read.chunk.popleft()
    assert not careful
    assert credit.end() == [full]
    assert careful == {full}
    assert read.limit == read.capacity


def test_while_there_is_room_nobody_is_looked_at() -> None:
    """The end of a credit that was not used up costs nothing for each mailbox."""
    box = Box(2, fill=2)
    credit, careful = given(box, room=2)
    assert not credit.end()
    assert not careful


def test_what_lies_with_the_reader_counts() -> None:
    """A mailbox is full by all that was not delivered."""
    box = Box(4, fill=2, ready=2, limit=1)
    credit, careful = given(box, room=1)
    assert credit.end() == [box]
    assert careful == {box}
    assert box.limit == 2


def test_it_is_counted_towards_the_turn_in_advance() -> None:
    """What is left of it when it ends is taken back."""
    credit, _ = given(Box(), Box(), room=4)
    assert turns_here().given == 8
    spend(credit, 1)
    credit.end()
    assert turns_here().given == 4


def test_a_few_are_counted_at_a_time() -> None:
    """The rest of the room is kept, so that others need not turn for what is not published yet."""
    boxes = [Box(99) for _ in range(FIRST_ADVANCE // 4)]
    credit, _ = given(*boxes, room=99)
    assert (credit.left, credit.room) == (3, 95)
    assert turns_here().given == FIRST_ADVANCE
    credit.left = 0
    credit.renew()
    assert (credit.left, credit.room) == (16, 79)
    assert credit.published == 4


def test_whoever_publishes_on_and_on_counts_more_at_a_time() -> None:
    """Up to a bound; and few again after each turn."""
    credit, _ = given(Box(99_999), room=99_999)
    counted: list[int] = []
    for _ in range(6):
        counted.append(turns_here().given)
        credit.left = 0
        credit.renew()
    assert counted == [64, 320, 1_344, 2_368, 3_392, 4_416]
    assert counted[-1] - counted[-2] == ADVANCE
    turns_here().begin()
    credit.renew()
    assert credit.left == turns_here().given == FIRST_ADVANCE


def test_where_nobody_has_room_there_is_no_credit() -> None:
    """The event that was looked at is counted, and whoever comes next has to look."""
    credit, _ = given(Box(1, fill=3), room=-1)
    assert (credit.left, credit.room, credit.published) == (0, 0, 1)


def test_to_very_many_one_is_counted_at_a_time() -> None:
    """A publish to more than are counted in advance is still one publish."""
    boxes = [Box(9) for _ in range(FIRST_ADVANCE + 1)]
    credit, _ = given(*boxes, room=9)
    assert (credit.left, credit.room, credit.published) == (0, 8, 1)
    credit.renew()
    assert (credit.left, credit.room, credit.published) == (3, 5, 1)


def test_what_is_left_does_not_outlast_a_turn() -> None:
    """It was counted in the turn before: renewed, it is counted again; its room is what it was."""
    credit, _ = given(Box(), Box(), room=4)
    spend(credit, 1)
    turns_here().begin()
    assert (credit.left, credit.room) == (0, 2)
    credit.renew()
    assert (credit.left, credit.room) == (2, 0)
    assert turns_here().given == 4
    assert (credit.published, credit.deliveries) == (2, 4)


def test_however_often_it_counts_in_advance_a_turn_takes_it_back_once() -> None:
    """And again in the next."""
    credit, _ = given(Box(99_999), room=99_999)
    for _ in range(2):
        for _ in range(3):
            credit.left = 0
            credit.renew()
        assert len(turns_here().advances) == 1
        turns_here().begin()
        assert (credit.left, turns_here().advances) == (0, [])
        credit.renew()


def test_it_can_count_elsewhere() -> None:
    """In the loop to which a subject moves: what it had counted is taken back here, and no turn here concerns it."""
    credit, careful = given(Box(4, fill=4), room=1)
    credit.left = 1
    there = Turns()
    credit.move(there)
    assert (credit.cls, credit.left, turns_here().given) == (NoEvent, 0, 0)
    box = Box()
    credit.give(Here, {box: None}, 4)
    turns_here().begin()
    assert (credit.left, there.given, careful) == (3, 4, set())
    there.begin()
    assert (credit.left, credit.room) == (0, 3)


def test_renewing_what_holds_still_changes_nothing() -> None:
    """Nothing is counted twice."""
    credit, _ = given(Box(), room=4)
    before = (credit.left, credit.room, turns_here().given)
    credit.renew()
    assert (credit.left, credit.room, turns_here().given) == before


def test_after_a_turn_nothing_is_taken_back() -> None:
    """The count has begun anew: it owes nothing to a credit of before."""
    credit, _ = given(Box(), room=4)
    turns_here().begin()
    credit.end()
    assert turns_here().given == 0
    assert credit.published == 1


def test_to_one_that_keeps_up_the_room_is_given_anew() -> None:
    """There is as much room as the chunk may still grow."""
    box = Box(4, fill=1, ready=1, limit=3)
    credit, careful = given(box, room=1)
    credit.refill()
    assert (credit.left, credit.room) == (2, 0)
    assert turns_here().given == 3
    spend(credit, 2)
    assert credit.published == 3
    assert credit.end() == [box]
    assert careful == {box}


def test_no_room_is_given_anew_while_there_is_some_left() -> None:
    """What waits to be counted is counted first."""
    box = Box(2 * ADVANCE, fill=1)
    credit, _ = given(box, room=FIRST_ADVANCE + 5)
    credit.left = 0
    credit.refill()
    assert (credit.left, credit.room) == (5, 0)
    credit.refill()
    assert (credit.left, credit.room) == (5, 0)


def test_to_one_that_needs_a_look_nothing_is_given_anew() -> None:
    """A slot may be kept in it for a publish that comes first."""
    box = Box(4, fill=1)
    credit, careful = given(box, room=1)
    careful.add(box)
    credit.refill()
    assert (credit.left, credit.room) == (0, 0)


def test_where_several_want_the_events_nothing_is_given_anew() -> None:
    """One that has taken its events says nothing of the others."""
    credit, _ = given(Box(4, fill=1), Box(4, fill=4), room=1)
    credit.refill()
    assert (credit.left, credit.room) == (0, 0)


def test_no_room_is_given_anew_where_the_loop_has_to_turn() -> None:
    """Whoever publishes next sees to that."""
    credit, _ = given(Box(4, fill=1), room=1)
    turns_here().given = DELIVERIES_A_TURN
    credit.refill()
    assert credit.left == 0


def test_a_credit_that_has_ended_meanwhile_is_not_given_anew() -> None:
    """A second reader had to be woken for the event: somebody looks before the next."""
    credit, _ = given(Box(4, fill=1), room=1)
    credit.end()
    credit.refill()
    assert (credit.cls, credit.left, credit.room) == (NoEvent, 0, 0)


class Meddled(Box):
    """A mailbox that is looked at while a destructor runs."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        self.meddle: Callable[[], object] | None = None
        super().__init__(1, fill=1)
        self.meddle = meddle

    def __getattribute__(self, name: str) -> Any:
        if name == "chunk" and (meddle := self.meddle) is not None:
            self.meddle = None
            meddle()
        return super().__getattribute__(name)


def test_a_destructor_that_ends_it_while_it_ends_is_counted_once() -> None:
    """Those that are full are looked for before anything changes: whoever comes in between finds it as it was."""
    box = Meddled(lambda: credit.end())
    credit, careful = given(box, room=1)
    credit.end()
    assert (credit.published, credit.deliveries) == (1, 1)
    assert careful == {box}


def test_a_destructor_that_ends_it_while_it_is_given_anew_leaves_nothing_behind() -> None:
    """What was found out before counts for nothing: the next who looks gives what there is."""
    box = Meddled(lambda: None)
    credit, _ = given(box, room=1)
    box.capacity = box.limit = 9
    box.meddle = credit.end
    credit.refill()
    assert credit.cls is NoEvent
    credit.end()
    assert (credit.left, turns_here().given) == (0, 1)
    credit.give(Here, {Box(2): None}, 2)
    assert (credit.left, credit.room, credit.published) == (1, 0, 2)
