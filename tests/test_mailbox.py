"""What happens to one event at one subscription: the table at the head of `_mailbox`, cell by cell, without an event loop."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from evenflow._admission import Admission, Waiter
from evenflow._buffer import RATION
from evenflow._credit import Credit
from evenflow._items import NOTHING, Gap
from evenflow._mailbox import Mailbox, Overflow

POLICIES: list[Overflow] = ["block", "drop_oldest", "drop_newest", "disconnect"]


def mailbox(capacity: int = 2, overflow: Overflow = "block", *, conflated: bool = False, gaps: bool = False) -> Mailbox:
    """A mailbox by itself, with a set of its own for those that need a look."""
    return Mailbox(capacity=capacity, overflow=overflow, conflated=conflated, gaps=gaps, careful=set())


class Bell:
    """What a reader sleeps on."""

    def done(self) -> bool:
        """Whether it has rung: it never does."""
        return False

    def set_result(self, _: None) -> None:
        """Ring."""


def emptied(box: Mailbox) -> list[Any]:
    """All that can be taken, in order; the mailbox is closed after it."""
    items: list[Any] = []
    while (item := box.take()) is not NOTHING:
        items.append(item)
    box.discard(EOFError)
    return items


def sum_holds(box: Mailbox) -> bool:
    """The ledger's sum, from its parts."""
    return box.wanted == box.delivered + box.replaced + box.dropped + box.discarded + box.waiting


@pytest.mark.parametrize("overflow", POLICIES)
@pytest.mark.parametrize("conflated", [False, True])
def test_where_there_is_room_every_policy_appends(overflow: Overflow, conflated: bool) -> None:
    """The first column of the table: nobody gives anything up while there is room."""
    box = mailbox(2, overflow, conflated=conflated)
    for event in "ab":
        assert not box.must_wait(event)
        assert not box.must_drop(event)
        box.put(event, event)
    assert (box.waiting, box.dropped, box.replaced) == (2, 0, 0)
    assert emptied(box) == ["a", "b"]


@pytest.mark.parametrize("overflow", POLICIES)
def test_the_same_key_replaces_in_place_whatever_the_policy(overflow: Overflow) -> None:
    """The second column: an event of a buffered key takes the old one's place, even in a full buffer."""
    box = mailbox(2, overflow, conflated=True)
    box.put("a1", "a")
    box.put("b1", "b")
    assert not box.must_wait("a")
    assert not box.must_drop("a")
    assert box.put("a2", "a") == "a1"
    assert (box.waiting, box.replaced, box.dropped) == (2, 1, 0)
    assert sum_holds(box)
    assert emptied(box) == ["a2", "b1"]


def test_a_full_block_mailbox_makes_its_publisher_wait() -> None:
    """The third column, first row: nothing is given up, the publisher is told to wait."""
    box = mailbox(1)
    box.put("a")
    assert box.must_wait(None)
    assert not box.must_drop(None)
    assert box.take() == "a"
    assert not box.must_wait(None)
    box.discard(EOFError)


def test_a_full_drop_oldest_mailbox_evicts_the_oldest() -> None:
    """The third column, second row: the oldest goes, wherever it lies, and is handed back to be let go later."""
    box = mailbox(2, "drop_oldest")
    box.put("a")
    box.put("b")
    assert box.must_drop(None)
    assert box.put("c") == "a"
    assert box.take() == "b"
    box.put("d")
    assert box.put("e") == "c"
    assert (box.delivered, box.dropped, box.wanted) == (1, 2, 5)
    assert sum_holds(box)
    assert emptied(box) == ["d", "e"]


def test_a_full_drop_newest_mailbox_refuses_what_comes() -> None:
    """The third column, third row: what is buffered stays."""
    box = mailbox(2, "drop_newest")
    for event in "abc":
        box.put(event)
    assert (box.dropped, box.waiting, box.wanted) == (1, 2, 3)
    assert emptied(box) == ["a", "b"]


def test_a_full_disconnect_mailbox_refuses_and_ends() -> None:
    """The third column, fourth row: what is buffered can be read, then comes the end."""
    box = mailbox(2, "disconnect")
    for event in "abc":
        box.put(event)
    assert type(box.end).__name__ == "SlowSubscriber"
    assert (box.dropped, box.waiting, box.wanted) == (1, 2, 3)
    assert emptied(box) == ["a", "b"]


def test_after_the_end_nothing_comes_in() -> None:
    """An event put into a mailbox that has ended is in no sum."""
    box = mailbox(2)
    box.put("a")
    box.finish(EOFError)
    box.put("b")
    assert (box.wanted, box.waiting) == (1, 1)
    assert emptied(box) == ["a"]


def test_a_gap_at_the_front_grows_and_takes_no_slot() -> None:
    """With drop_oldest the hole is before the oldest event that is left, and is one hole."""
    box = mailbox(2, "drop_oldest", gaps=True)
    for event in "abcde":
        box.put(event)
    first, *rest = emptied(box)
    assert isinstance(first, Gap)
    assert first.count == 3
    assert first.first_at <= first.last_at
    assert rest == ["d", "e"]


def test_gaps_at_the_end_stand_between_the_neighbours() -> None:
    """With drop_newest each hole stands after what was buffered when it was made; adjacent ones merge."""
    box = mailbox(2, "drop_newest", gaps=True)
    for event in "abcd":
        box.put(event)
    assert box.take() == "a"
    box.put("e")
    box.put("f")
    items = emptied(box)
    assert [item.count if isinstance(item, Gap) else item for item in items] == ["b", 2, "e", 1]
    assert sum_holds(box)


def test_a_gap_is_in_no_sum() -> None:
    """Taking a gap delivers nothing."""
    box = mailbox(1, "drop_oldest", gaps=True)
    box.put("a")
    box.put("b")
    assert isinstance(box.take(), Gap)
    assert (box.delivered, box.dropped, box.waiting) == (0, 1, 1)
    box.discard(EOFError)
    assert sum_holds(box)


def test_the_bound_counts_what_was_taken_out_of_the_stream_and_not_delivered() -> None:
    """A chunk in the fast lane still fills the buffer."""
    box = mailbox(3)
    for event in "abc":
        box.put(event)
    assert box.take() == "a"
    assert len(box.ready) == 2
    assert box.room() == 1
    box.add("d")
    assert box.room() == 0
    assert emptied(box) == ["b", "c", "d"]


def test_only_what_needs_a_look_is_in_the_careful_set() -> None:
    """A full mailbox is looked at, and no longer once there is room; a conflated one always is."""
    box = mailbox(1)
    assert not box.careful
    box.put("a")
    assert box.careful == {box}
    box.take()
    box.review()
    assert not box.careful
    box.discard(EOFError)
    conflated = mailbox(1, conflated=True)
    conflated.review()
    assert conflated.careful == {conflated}
    conflated.discard(EOFError)


@pytest.mark.parametrize("why", ["a reader sleeps behind one that was woken", "a slot is kept"])
def test_who_needs_a_look_ends_the_credit(why: str) -> None:
    """An event that is appended without a look would wake nobody, or take the slot."""
    careful: set[Mailbox] = set()
    credit = Credit(careful)
    box = Mailbox(
        capacity=4, overflow="block", conflated=False, gaps=False, careful=careful, credit=weakref.ref(credit)
    )
    credit.give(str, {box: None}, 4)
    box.add("a")
    assert credit.left == 3
    if why == "a slot is kept":
        Admission(lambda _: None)._hold(Waiter("b", "subject"), box)
    else:
        box.join_line(Bell(), first=False)
    assert credit.left == 0
    assert careful == {box}
    box.discard(EOFError)


def test_slowed_down_every_take_is_told() -> None:
    """Somebody waits for room: the fast lane closes, what lies in it included, and each take is reported."""
    box = mailbox(4)
    for event in "abcd":
        box.put(event)
    assert box.take() == "a"
    lane = box.ready
    told: list[int] = []
    box.slow_down(lambda mailbox: told.append(mailbox.room()))
    assert not lane
    assert [box.take(), box.take()] == ["b", "c"]
    assert told == [2, 3]
    box.on_take = None
    assert emptied(box) == ["d"]
    assert told == [2, 3]


def test_a_long_chunk_goes_to_the_fast_lane_in_rations() -> None:
    """So many events at once that the loop would stand still are handed over bit by bit, in order."""
    box = mailbox(3 * RATION)
    events = list(range(2 * RATION + 5))
    for event in events:
        box.add(event)
    taken = [box.take()]
    assert len(box.ready) <= RATION
    assert [*taken, *emptied(box)] == events


def test_a_long_chunk_half_read_is_slowed_down_in_order() -> None:
    """Closing the fast lane while part of a long chunk lies in it keeps the order."""
    box = mailbox(2 * RATION)
    events = list(range(2 * RATION))
    for event in events:
        box.add(event)
    taken = [box.take()]
    box.slow_down(lambda _: None)
    assert [*taken, *emptied(box)] == events


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_the_end_keeps_what_is_buffered_in_order(taken: int) -> None:
    """Whether it lies in the stream, in a lane, or in both."""
    box = mailbox(4)
    for event in "abc":
        box.put(event)
    had = [box.take() for _ in range(taken)]
    box.put("d")
    box.finish(EOFError)
    assert [*had, *emptied(box)] == ["a", "b", "c", "d"]


def test_closing_discards_what_waits_and_hands_it_back() -> None:
    """What is discarded is counted, and let go by the caller, when no destructor can do harm."""
    box = mailbox(4)
    box.give_replay(["old"])
    for event in "abc":
        box.put(event)
    assert box.take() == "old"
    assert box.take() == "a"
    assert sorted(map(str, box.discard(EOFError))) == ["b", "c"]
    assert (box.delivered, box.discarded, box.waiting, box.wanted) == (2, 2, 0, 4)
    assert box.take() is NOTHING


def test_a_batch_is_all_that_waits_at_most_the_capacity() -> None:
    """Replay, lanes and chunk in one tuple, cut at the bound."""
    box = mailbox(3)
    box.give_replay(["x", "y"])
    for event in "abc":
        box.put(event)
    assert box.take_batch() == ("x", "y", "a")
    assert box.take_batch() == ("b", "c")
    assert box.take_batch() is NOTHING
    box.add("d")
    box.add("e")
    assert box.take_batch() == ("d", "e")
    assert (box.delivered, box.waiting) == (7, 0)
    box.discard(EOFError)


@pytest.mark.parametrize("conflated", [False, True])
def test_a_mark_is_passed_when_all_that_was_there_has_left(conflated: bool) -> None:
    """What drain asks: not what came later, not what was refused since."""
    box = mailbox(2, "drop_newest", conflated=conflated)
    box.put("a", "a")
    box.put("b", "b")
    mark = box.mark_now()
    box.put("c", "c")
    box.put("d", "d")
    assert not box.passed(mark)
    box.take()
    assert not box.passed(mark)
    box.take()
    box.put("e", "e")
    assert box.passed(mark)
    box.discard(EOFError)


def test_a_replaced_event_has_left() -> None:
    """What replaced it came after the mark, and is not waited for."""
    box = mailbox(2, conflated=True)
    box.put("a1", "a")
    mark = box.mark_now()
    box.put("a2", "a")
    assert box.passed(mark)
    box.discard(EOFError)


def test_kept_slots_count_as_taken() -> None:
    """A slot kept for a publisher that waits is no room for anybody else."""
    box = mailbox(2)
    box.put("a")
    box.reserved = 1
    assert box.room() == 0
    assert box.must_wait(None)
    box.reserved = 0
    assert not box.must_wait(None)
    box.discard(EOFError)


def test_the_stream_is_made_with_the_first_event_and_closed_with_the_end() -> None:
    """A subscription that never had an event has no stream to close."""
    box = mailbox()
    assert box.sending is None
    box.add("a")
    assert box.sending is not None
    box.discard(EOFError)
    assert box.sending is None


def test_a_replay_takes_no_room() -> None:
    """It lies outside the bound: the buffer has all its slots while the replay is still unread."""
    box = mailbox(1)
    box.give_replay(["x", "y", "z"])
    assert box.room() == 1
    box.put("a")
    assert (box.room(), box.waiting) == (0, 4)
    assert emptied(box) == ["x", "y", "z", "a"]
