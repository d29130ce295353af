"""What happens to one event at one subscription: the table at the head of `_mailbox`, cell by cell, without an event loop."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, strategies as st

from evenflow import SlowSubscriber
from evenflow._buffer import RATION
from evenflow._ends import reason_of
from evenflow._fairness import TAKEN
from evenflow._gaps import Gap
from evenflow._mailbox import NOTHING, Mailbox, Overflow, UserFunctions, carry_with

from .parts import KEYED, POLICIES, Bell, emptied, give, mailbox

every_policy = pytest.mark.parametrize("overflow", POLICIES)


def take(box: Mailbox) -> Any:
    """The next item."""
    return box.take([0, 0])


def offer(box: Mailbox, *events: object) -> None:
    """Offer events that are their own keys."""
    for event in events:
        box.offer(event, event)


# ------------------------------------------------------------------ the table


@every_policy
@pytest.mark.parametrize("functions", [UserFunctions(), KEYED])
def test_where_there_is_room_every_policy_appends(overflow: Overflow, functions: UserFunctions) -> None:
    """The first column of the table: no event is given up while there is room."""
    box = mailbox(2, overflow, functions=functions)
    for event in "ab":
        assert box.room() > 0
        assert box.offer(event, event) is None
    ledger = box.ledger()
    assert (ledger.waiting, ledger.dropped, ledger.replaced) == (2, 0, 0)
    assert emptied(box) == ["a", "b"]


@every_policy
def test_the_same_key_replaces_in_place_whatever_the_policy(overflow: Overflow) -> None:
    """The second column: an event of a buffered key takes the old one's place, in a full buffer too."""
    box = mailbox(2, overflow, functions=KEYED)
    box.offer("a1", "a")
    box.offer("b1", "b")
    assert box.replaces("a")
    assert box.offer("a2", "a") == "a1"
    ledger = box.ledger()
    assert (ledger.waiting, ledger.replaced, ledger.dropped) == (2, 1, 0)
    assert emptied(box) == ["a2", "b1"]


FULL: dict[Overflow, tuple[object, list[str], bool]] = {
    "drop_oldest": ("a", ["b", "c"], False),
    "drop_newest": ("c", ["a", "b"], False),
    "disconnect": ("c", ["a", "b"], True),
}
"""For each policy: what a full mailbox gives up, what is left in it, and whether it has ended."""


@pytest.mark.parametrize("overflow", FULL)
@pytest.mark.parametrize("functions", [UserFunctions(), KEYED])
def test_what_a_full_mailbox_gives_up(overflow: Overflow, functions: UserFunctions) -> None:
    """The third column: the event that is given up is handed back, so that its destructor runs later."""
    given_up, left, ended = FULL[overflow]
    box = mailbox(2, overflow, functions=functions)
    offer(box, "a", "b")
    dropped = box.offer("c", "c")
    assert getattr(dropped, "event", dropped) == given_up
    ledger = box.ledger()
    assert (ledger.wanted, ledger.dropped, ledger.waiting) == (3, 1, 2)
    assert (box.end is not None) is ended
    assert emptied(box) == left


def test_a_full_block_mailbox_has_no_room_for_its_publisher() -> None:
    """The third column, first row: the publisher sees that it must wait, and sees when it need not any more."""
    box = mailbox(1, holds="a")
    assert box.room() == 0
    assert not box.replaces("a")
    assert take(box) == "a"
    assert box.room() == 1


def test_a_disconnected_subscriber_is_told_what_to_do() -> None:
    """The end is a `SlowSubscriber` that names the subscription and the ways out."""
    box = mailbox(1, "disconnect", name="the slow one")
    offer(box, "a", "b")
    assert box.end is not None
    end = reason_of(box.end, box.name)
    assert isinstance(end, SlowSubscriber)
    for words in ("the slow one", "buffer of 1", "buffer=", "overflow="):
        assert words in str(box.end)


def test_the_oldest_is_dropped_wherever_it_lies() -> None:
    """Whether it lies with the reader, or where publishers append."""
    box = mailbox(2, "drop_oldest")
    offer(box, "a", "b", "c")
    assert take(box) == "b"
    offer(box, "d", "e")
    ledger = box.ledger()
    assert (ledger.delivered, ledger.dropped, ledger.wanted) == (1, 2, 5)
    assert emptied(box) == ["d", "e"]


CAPACITY = 3
STEPS = st.lists(st.one_of(st.sampled_from("abcd"), st.sampled_from(["take", "batch"])), max_size=50)


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("conflated", [False, True])
@every_policy
@given(steps=STEPS)
def test_a_mailbox_does_what_the_table_says_in_any_order(
    overflow: Overflow, conflated: bool, gaps: bool, steps: list[str]
) -> None:
    """The model is a list of all that a reader has yet to get: events, and numbers for gaps; the ledger adds up at every step."""
    box = mailbox(CAPACITY, overflow, functions=KEYED if conflated else UserFunctions(), gaps=gaps)
    model: list[Any] = []
    counts = dict.fromkeys(("delivered", "replaced", "dropped"), 0)

    def drop(at: int) -> None:
        counts["dropped"] += 1
        if not gaps:
            return
        if at < len(model) and isinstance(model[at], int):
            model[at] += 1
        else:
            model.insert(at if at >= 0 else len(model), 1)

    def model_offer(event: tuple[str, int]) -> None:
        held = [one[0] for one in model if isinstance(one, tuple)]
        if conflated and event[0] in held:
            at = next(n for n, one in enumerate(model) if isinstance(one, tuple) and one[0] == event[0])
            model[at] = event
            counts["replaced"] += 1
        elif len(held) < CAPACITY:
            model.append(event)
        elif overflow == "drop_oldest":
            model.remove(next(one for one in model if isinstance(one, tuple)))
            drop(0)
            model.append(event)
        else:
            drop(len(model) - 1 if isinstance(model[-1], int) else len(model))

    def seen(item: object) -> object:
        return item.count if isinstance(item, Gap) else item

    for number, step in enumerate(steps):
        if step == "take":
            item = take(box)
            assert seen(item) == (model.pop(0) if model else NOTHING)
            counts["delivered"] += isinstance(item, tuple)
        elif step == "batch":
            batch = box.take_batch([0, 0])
            expected: list[Any] = []
            while model and sum(isinstance(one, tuple) for one in expected) < CAPACITY:
                expected.append(model.pop(0))
            assert (batch is NOTHING) is (not expected)
            assert expected == [seen(item) for item in (() if batch is NOTHING else batch)]
            counts["delivered"] += sum(isinstance(one, tuple) for one in expected)
        elif box.end is None and (overflow != "block" or box.room() > 0 or box.replaces(step)):
            box.offer((step, number), step)
            model_offer((step, number))
        ledger = box.ledger()
        assert ledger.waiting == sum(isinstance(one, tuple) for one in model) <= CAPACITY
        assert {name: getattr(ledger, name) for name in counts} == counts
        assert ledger.wanted == ledger.delivered + ledger.replaced + ledger.dropped + ledger.waiting
        assert box.end is not None or box.items() == len(model)
    assert [seen(item) for item in emptied(box)] == model


# ------------------------------------------------------------------ gaps


def test_a_gap_is_in_no_sum() -> None:
    """Taking a gap delivers nothing, and it takes no slot."""
    box = mailbox(1, "drop_oldest", gaps=True)
    offer(box, "a", "b")
    assert box.room() == 0
    assert isinstance(take(box), Gap)
    ledger = box.ledger()
    assert (ledger.delivered, ledger.dropped, ledger.waiting) == (0, 1, 1)


def test_the_replay_comes_before_every_gap() -> None:
    """It is older than all that was dropped."""
    box = mailbox(1, "drop_oldest", gaps=True)
    box.buffer.give_replay(["old"])
    offer(box, "a", "b")
    items = emptied(box)
    assert [type(item) for item in items] == [str, Gap, str]


def test_a_drop_closes_the_lane_of_a_reader_that_wants_gaps() -> None:
    """It must not pop past the gap."""
    box = mailbox(3, "drop_oldest", gaps=True)
    offer(box, "a", "b", "c")
    assert take(box) == "a"
    assert box.buffer.fast
    offer(box, "d", "e")
    assert not box.buffer.fast
    assert [item.count if isinstance(item, Gap) else item for item in emptied(box)] == [1, "c", "d", "e"]


# ------------------------------------------------------------------ room, and who needs a look


def test_the_bound_counts_what_the_reader_has_not_taken_out_of_its_lane() -> None:
    """An event in the fast lane still fills the buffer."""
    box = mailbox(3, holds="abc")
    assert take(box) == "a"
    assert list(box.buffer.fast) == ["b", "c"]
    assert box.room() == 1
    give(box, "d")
    assert box.room() == 0
    assert emptied(box) == ["b", "c", "d"]


def test_a_replay_takes_no_room() -> None:
    """It lies outside the bound: the buffer has all its slots while the replay is still unread."""
    box = mailbox(1)
    box.buffer.give_replay(["x", "y"])
    assert box.room() == 1
    give(box, "a")
    assert box.room() == 0
    assert emptied(box) == ["x", "y", "a"]


def test_a_reserved_slot_counts_as_taken() -> None:
    """A slot that is kept for a publisher that waits is no room for anybody else."""
    box = mailbox(2, holds="a")
    box.reserve()
    assert box.room() == 0
    box.release()
    assert box.room() == 1


def test_a_mailbox_is_unready_while_it_is_full() -> None:
    """The last slot makes it unready, and a look after a take makes it ready again."""
    unready: set[Mailbox] = set()
    box = mailbox(1, unready=unready)
    give(box, "a")
    assert unready == {box}
    assert box.measure() == 0
    take(box)
    assert unready == {box}
    assert box.measure() == 1
    assert not unready


def test_a_mailbox_is_unready_while_a_slot_is_reserved() -> None:
    """Publishers that find it ready append without asking, and would take the slot."""
    unready: set[Mailbox] = set()
    box = mailbox(3, unready=unready)
    box.reserve()
    assert box.measure() == 2
    assert unready == {box}
    box.release()
    box.measure()
    assert not unready


def test_a_conflated_mailbox_is_always_unready() -> None:
    """Its publisher must ask for the key of each event."""
    unready: set[Mailbox] = set()
    box = mailbox(3, functions=KEYED, unready=unready)
    assert box.measure() == 3
    assert unready == {box}


def test_it_says_when_it_becomes_ready() -> None:
    """Publishers that counted on its being full must look again."""
    told: list[Mailbox] = []
    unready: set[Mailbox] = set()
    box = mailbox(1, holds="a", unready=unready)
    box._became_ready = told.append
    box.measure()
    assert not told
    take(box)
    box.measure()
    assert told == [box]


# ------------------------------------------------------------------ putting in


def test_a_run_of_events_is_appended_at_once() -> None:
    """In order, and behind what was there."""
    box = mailbox(9, holds="a")
    box.extend("bcd")
    assert emptied(box) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("way", ["begin", "extend", "offer"])
def test_an_event_wakes_a_sleeping_reader(way: str) -> None:
    """Whichever way it comes in."""
    box, bell = mailbox(3), Bell()
    box.line.join(bell, first=True)
    {"begin": box.begin, "extend": lambda event: box.extend([event]), "offer": lambda event: box.offer(event, None)}[
        way
    ]("a")
    assert bell.fired


def test_one_event_wakes_one_reader() -> None:
    """The second event wakes nobody while the first reader has not run: it wakes the next itself when it takes."""
    box, bells = mailbox(9), [Bell(), Bell(), Bell()]
    for bell in bells:
        box.line.join(bell, first=True)
    box.offer("a", None)
    assert [bell.fired for bell in bells].count(True) == 1
    box.offer("b", None)
    assert [bell.fired for bell in bells].count(True) == 1
    box.line.wake(box.items())
    assert [bell.fired for bell in bells].count(True) == 2


def test_a_gap_wakes_a_reader_as_an_event_does() -> None:
    """It is an item of its own, and another reader may take it."""
    box, bells = mailbox(1, "drop_newest", gaps=True), [Bell(), Bell()]
    for bell in bells:
        box.line.join(bell, first=True)
    box.offer("a", None)
    assert [bell.fired for bell in bells].count(True) == 1
    box.offer("b", None)
    assert all(bell.fired for bell in bells)


# ------------------------------------------------------------------ taking out


def test_somebody_who_waits_for_room_is_told_of_each_take() -> None:
    """The fast lane closes, with what lies in it, and opens again when nobody waits any more."""
    box = mailbox(4, holds="abcd")
    assert take(box) == "a"
    assert box.buffer.fast
    told: list[int] = []
    box.watch(lambda mailbox: told.append(mailbox.room()))
    assert not box.buffer.fast
    assert [take(box), take(box)] == ["b", "c"]
    assert told == [2, 3]
    box.watch(None)
    assert emptied(box) == ["d"]
    assert told == [2, 3]


def test_a_batch_tells_of_each_take_too() -> None:
    """A slot is handed on for each event of it."""
    box = mailbox(3, holds="abc")
    told: list[int] = []
    box.watch(lambda mailbox: told.append(mailbox.room()))
    assert box.take_batch([0, 0]) == ("a", "b", "c")
    assert told == [1, 2, 3]


def test_where_another_reader_waits_no_lane_is_opened() -> None:
    """Each take must be asked for, or one reader would take the other's turn."""
    box = mailbox(4, holds="abc")
    box.line.join(Bell(), first=False)
    assert take(box) == "a"
    assert not box.buffer.fast


def test_a_lane_is_counted_when_it_is_opened() -> None:
    """What is popped from it later is not seen by anybody."""
    box, counts = mailbox(9, holds="abcde"), [0, 0]
    assert box.take(counts) == "a"
    assert len(box.buffer.fast) == 4
    assert counts[TAKEN] == 5


def test_what_is_taken_is_counted_one_by_one_where_there_is_no_lane() -> None:
    """A take that finds nothing counts nothing."""
    box, counts = mailbox(9, functions=KEYED), [0, 0]
    offer(box, "a", "b")
    box.take(counts)
    assert counts[TAKEN] == 1
    assert box.take_batch(counts) == ("b",)
    assert counts[TAKEN] == 2
    assert box.take(counts) is NOTHING
    assert counts[TAKEN] == 2


def test_a_long_outbox_is_read_in_order_whether_or_not_a_lane_opens() -> None:
    """Past a ration each take is asked for, so that the loop does not stand still."""
    events = list(range(2 * RATION))
    box = mailbox(len(events), holds=events)
    taken = [take(box)]
    assert not box.buffer.fast
    while not box.buffer.fast:
        taken.append(take(box))
    assert len(box.buffer.fast) == RATION
    box.watch(lambda _: None)
    assert [*taken, *emptied(box)] == events


def test_a_batch_is_all_that_waits_at_most_the_capacity() -> None:
    """Replay and buffer in one tuple, cut at the bound."""
    box = mailbox(3)
    box.buffer.give_replay(["x", "y"])
    for event in "abc":
        give(box, event)
    assert box.take_batch([0, 0]) == ("x", "y", "a")
    assert box.take_batch([0, 0]) == ("b", "c")
    assert box.take_batch([0, 0]) is NOTHING
    ledger = box.ledger()
    assert (ledger.delivered, ledger.waiting) == (5, 0)


def test_none_is_an_event_like_any_other() -> None:
    """There is another word for nothing."""
    box = mailbox(2, holds=[None])
    assert take(box) is None
    assert take(box) is NOTHING


# ------------------------------------------------------------------ the end


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_the_end_keeps_what_is_buffered_in_order(taken: int) -> None:
    """Whether it lies in the stream, with the reader, or in both."""
    box = mailbox(4, holds="abc")
    had = [take(box) for _ in range(taken)]
    give(box, "d")
    box.finish(EOFError)
    assert [*had, *emptied(box)] == ["a", "b", "c", "d"]


def test_the_first_end_stays() -> None:
    """A subject that is closed later does not change what its readers get."""
    box = mailbox()
    box.finish(EOFError)
    box.finish(OSError)
    assert box.end is EOFError


def test_the_end_wakes_every_reader() -> None:
    """Each of them must hear of it."""
    box, bells = mailbox(), [Bell(), Bell(), Bell()]
    for bell in bells:
        box.line.join(bell, first=True)
    box.finish(EOFError)
    assert all(bell.fired for bell in bells)
    assert box.items() == sys.maxsize


def test_a_mailbox_that_has_ended_is_not_unready() -> None:
    """Publishers hold no mailbox that takes no more events."""
    unready: set[Mailbox] = set()
    box = mailbox(1, holds="a", unready=unready)
    assert unready == {box}
    box.finish(EOFError)
    assert not unready


def test_closing_discards_what_waits_and_hands_it_back() -> None:
    """What is discarded is counted, and the caller lets its destructors run when they can do no harm."""
    box = mailbox(4, holds="abc")
    box.buffer.give_replay(["old", "older"])
    assert take(box) == "old"
    assert box.discard(EOFError) == ["older", "a", "b", "c"]
    ledger = box.ledger()
    assert (ledger.delivered, ledger.discarded, ledger.waiting, ledger.wanted) == (1, 4, 0, 5)
    assert take(box) is NOTHING
    assert box.discarded


def test_closing_discards_gaps_too() -> None:
    """Nobody reads on."""
    box = mailbox(1, "drop_newest", gaps=True)
    offer(box, "a", "b")
    box.discard(EOFError)
    assert take(box) is NOTHING


def test_closing_keeps_the_end_that_came_before() -> None:
    """It says why nothing more came in; that the subscription was closed is known beside it."""
    box = mailbox()
    box.finish(EOFError)
    box.discard(OSError)
    assert (box.end, box.discarded) == (EOFError, True)


def test_a_loop_that_has_ended_holds_no_slots_and_no_readers() -> None:
    """Whoever waited there will never come."""
    box = mailbox(1)
    told: list[Mailbox] = []
    box.reserve()
    box.watch(told.append)
    box.line.join(Bell(), first=True)
    box.free_all()
    assert box.room() == 1
    assert (box.line.asleep, len(box.line.queue)) == (0, 0)
    give(box, "a")
    take(box)
    assert not told


# ------------------------------------------------------------------ what the user gave


def test_it_asks_the_subscriptions_own_where() -> None:
    """A subscription without one wants every event."""
    functions = UserFunctions(where=lambda event: event > 1)
    box = mailbox(functions=functions)
    assert [box.ask(n) for n in (1, 2)] == [False, True]
    assert mailbox().ask(1) is True


def test_it_does_not_keep_what_the_user_gave() -> None:
    """A subscription that is gone wants nothing, and its function may go as well."""
    box = mailbox(functions=UserFunctions(where=lambda _: True, key=lambda event: event))
    assert box.ask(1) is False
    assert box.key_of() is None
    assert box.conflated


def test_the_ledger_names_the_subscription_and_its_bound() -> None:
    """So that a person can find the slow one."""
    ledger = mailbox(7, name="prices/3").ledger()
    assert (ledger.name, ledger.capacity) == ("prices/3", 7)


def test_a_full_mailbox_that_has_ended_does_not_become_unready() -> None:
    """A publish that began before may still measure it."""
    unready: set[Mailbox] = set()
    box = mailbox(1, holds="a", unready=unready)
    box.finish(EOFError)
    assert box.measure() == 0
    assert not unready


def test_a_mailbox_that_keeps_more_than_the_event_is_unready_for_as_long() -> None:
    """What it is told to make of an event it makes of those that come from then on."""
    unready: set[Mailbox] = set()
    box = mailbox(4, holds="a", unready=unready)
    carry_with(box, lambda event: f"carried {event}")
    assert unready == {box}
    offer(box, "b")
    carry_with(box, None)
    assert not unready
    give(box, "c")
    assert emptied(box) == ["a", "carried b", "c"]


def test_a_mailbox_that_has_ended_is_not_unready_whatever_it_keeps() -> None:
    """Nothing comes any more."""
    unready: set[Mailbox] = set()
    box = mailbox(4, unready=unready)
    box.finish(EOFError)
    carry_with(box, lambda event: event)
    assert not unready
