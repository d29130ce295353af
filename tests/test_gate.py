"""Whose turn it is to publish, without a publisher: mailboxes, waiters, and what is reserved for each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from evenflow._gate import Gate, Waiter
from evenflow._mailbox import Mailbox

from .parts import emptied, give, mailbox


class Terms:
    """What publishes that wait share."""

    name = "subject"
    stall_after = 5.0

    def __init__(self, blocked: Callable[[Waiter], Collection[Mailbox]]) -> None:
        self.blocked = blocked


class Bell:
    """What a publisher sleeps on."""

    def __init__(self) -> None:
        self.rung = 0

    def done(self) -> bool:
        """Whether it has fired."""
        return self.rung > 0

    def set_result(self, _: None) -> None:
        """Fire."""
        self.rung += 1

    def __await__(self) -> Any:
        """Nobody sleeps on it."""
        raise NotImplementedError


class Scene:
    """A few mailboxes, and publishers that wait for some of them."""

    time = 0.0

    def __init__(self) -> None:
        self.unready: set[Mailbox] = set()
        self.gate = Gate(lambda box: self.gate.freed(box))

    def full(self, capacity: int = 1) -> Mailbox:
        """A mailbox without room."""
        return mailbox(capacity, unready=self.unready, holds=range(capacity))

    def waiter(self, *boxes: Mailbox) -> Waiter:
        """A publish to these that has come, and does not wait yet."""

        def blocked(waiter: Waiter) -> Collection[Mailbox]:
            return [box for box in boxes if box not in waiter.held and box.room() <= 0 and box.end is None]

        return Waiter("an event", boxes, next(self.gate.tickets), Terms(blocked), lambda: self.time)

    def publisher(self, *boxes: Mailbox) -> Waiter:
        """A publish that waits for these."""
        waiter = self.waiter(*boxes)
        self.gate.join(waiter, waiter.terms.blocked(waiter))
        return waiter


def take(box: Mailbox) -> object:
    """A reader takes one event."""
    return box.take([0, 0])


def test_a_publish_says_what_it_publishes_where() -> None:
    """For errors and logs."""
    assert Scene().waiter().what == "str to subject"


def test_a_slot_goes_to_the_earlier_of_two() -> None:
    """Both wait for one mailbox, and one slot comes free."""
    scene = Scene()
    box = scene.full()
    early, late = scene.publisher(box), scene.publisher(box)
    take(box)
    assert (early.granted, late.granted) == (True, False)
    assert scene.gate.waiting() == 1


def test_whoever_came_earlier_stands_before_whoever_waits_already() -> None:
    """A publish that let readers run first does not lose its place in the queue."""
    scene = Scene()
    box = scene.full()
    early, late = scene.waiter(box), scene.publisher(box)
    scene.gate.join(early, [box])
    assert set(scene.gate.queue) == {early, late}
    take(box)
    assert (early.granted, late.granted) == (True, False)


def test_a_publish_that_joins_again_keeps_its_place() -> None:
    """Somebody new had no room: it stands in the queue once, and where it stood."""
    scene = Scene()
    box, other = scene.full(), scene.full()
    early, late = scene.publisher(box), scene.publisher(box)
    scene.gate.join(early, [box, other])
    assert scene.gate.waiting() == len(scene.gate.queue) == 2
    assert set(early.missing) == {box, other}
    scene.gate.join(early, [box])
    take(box)
    assert (early.granted, late.granted) == (True, False)


def test_a_slot_that_was_granted_counts_as_taken() -> None:
    """Nobody slips in between the slot and the publish that it was granted to."""
    scene = Scene()
    box = scene.full()
    waiter = scene.publisher(box)
    take(box)
    assert (box.room(), box.reserved, waiter.held) == (0, 1, (box,))


def test_a_publish_that_may_go_is_woken_once() -> None:
    """It sleeps on its own wake-up, which has not fired before, and does not fire again."""
    scene = Scene()
    box = scene.full()
    waiter = scene.publisher(box)
    waiter.sleep_on(bell := Bell())
    assert bell.rung == 0
    take(box)
    assert bell.rung == 1
    waiter.wake()
    assert bell.rung == 1


def test_a_publish_that_must_wait_again_may_not_go() -> None:
    """Somebody new had no room after it was let go."""
    scene = Scene()
    box, new = scene.full(), scene.full()
    waiter = scene.publisher(box)
    take(box)
    held = scene.gate.give_back(waiter)
    scene.gate.join(waiter, [new], held)
    assert not waiter.granted
    assert waiter.held == (box,)
    take(new)
    assert waiter.granted


def test_for_the_one_that_has_waited_longest_one_slot_a_mailbox_is_reserved() -> None:
    """It needs two mailboxes: the first that comes free waits for it, the second slot there is anybody's."""
    scene = Scene()
    one, other = scene.full(2), scene.full()
    longest = scene.publisher(one, other)
    take(one)
    assert (one.room(), longest.granted) == (0, False)
    take(one)
    assert one.room() == 1
    take(other)
    assert longest.granted


def test_for_the_others_nothing_is_reserved_before_they_have_all() -> None:
    """The slot that the second in the queue could use is free for a third that needs nothing else."""
    scene = Scene()
    stuck, one, other = scene.full(), scene.full(), scene.full()
    scene.publisher(stuck)
    second = scene.publisher(one, other)
    take(one)
    assert (one.room(), second.held) == (1, ())
    take(other)
    assert second.granted
    assert set(second.held) == {one, other}


def test_a_slot_that_was_taken_meanwhile_is_waited_for_again() -> None:
    """The second in the queue saw a slot come free, which somebody else filled before it had all."""
    scene = Scene()
    stuck, one, other = scene.full(), scene.full(), scene.full()
    scene.publisher(stuck)
    second = scene.publisher(one, other)
    take(one)
    give(one, "a stranger's")
    take(other)
    assert not second.granted
    assert set(second.missing) == {one}
    take(one)
    assert second.granted


def test_a_later_one_that_can_go_passes_one_that_cannot() -> None:
    """The earlier one waits for something else."""
    scene = Scene()
    stuck, box = scene.full(), scene.full()
    early, late = scene.publisher(stuck), scene.publisher(box)
    take(box)
    assert (early.granted, late.granted) == (False, True)


def test_whoever_leaves_passes_on_what_was_reserved() -> None:
    """A cancelled publish gives its slot to the next that waits for it."""
    scene = Scene()
    one, other = scene.full(), scene.full()
    longest, next_one = scene.publisher(one, other), scene.publisher(one)
    take(one)
    assert not next_one.granted
    scene.gate.leave(longest, ())
    assert next_one.granted
    assert one.reserved == 1
    assert list(scene.gate.queue) == [next_one]


def test_whoever_leaves_without_its_event_passes_on_what_it_had() -> None:
    """A claim that was called off after the slots were given back leaves them to the next."""
    scene = Scene()
    box = scene.full()
    early, late = scene.publisher(box), scene.publisher(box)
    take(box)
    had = scene.gate.give_back(early)
    assert not late.granted
    scene.gate.leave(early, had)
    assert late.granted


def test_no_slot_is_held_in_a_mailbox_that_has_ended() -> None:
    """It would never be given back."""
    scene = Scene()
    box, ended = scene.full(), scene.full()
    ended.finish(EOFError)
    waiter = scene.waiter(box)
    waiter.hold_all([box, ended])
    assert waiter.held == (box,)
    assert ended.reserved == 0
    assert waiter.give_back_all() == (box,)
    assert (waiter.held, box.reserved) == ((), 0)


def test_whoever_leaves_while_nobody_waits_frees_what_was_reserved() -> None:
    """The slot is anybody's again."""
    scene = Scene()
    box = scene.full()
    only = scene.publisher(box)
    take(box)
    scene.gate.leave(only, ())
    assert (box.reserved, box.room()) == (0, 1)


def test_a_mailbox_that_is_gone_is_waited_for_no_longer() -> None:
    """Its subscription was closed."""
    scene = Scene()
    one, other = scene.full(), scene.full()
    waiter = scene.publisher(one, other)
    take(one)
    other.discard(EOFError)
    scene.gate.gone(other)
    assert waiter.granted
    assert other not in scene.gate.missed


def test_a_mailbox_that_is_gone_is_held_no_longer() -> None:
    """What was reserved in it is nobody's."""
    scene = Scene()
    one, other = scene.full(), scene.full()
    waiter = scene.publisher(one, other)
    take(one)
    one.finish(EOFError)
    scene.gate.gone(one)
    assert waiter.held == ()
    assert not waiter.granted


def test_of_two_that_may_go_and_share_a_mailbox_the_earlier_goes_first() -> None:
    """Whatever order the loop runs them in."""
    scene = Scene()
    box = scene.full(2)
    early, late = scene.publisher(box), scene.publisher(box)
    take(box)
    take(box)
    assert early.granted
    assert late.granted
    assert scene.gate.comes_before(late)
    assert not scene.gate.comes_before(early)
    scene.gate.leave(early, ())
    assert not scene.gate.comes_before(late)
    scene.gate.leave(late, ())
    assert box.reserved == 0


def test_of_two_that_share_no_mailbox_neither_comes_first() -> None:
    """They may run in any order."""
    scene = Scene()
    one, other = scene.full(), scene.full()
    scene.publisher(one)
    late = scene.publisher(other)
    take(one)
    take(other)
    assert not scene.gate.comes_before(late)


def test_two_never_hold_what_the_other_needs() -> None:
    """A publish that must wait again, and is not the longest, gives back what it was granted before."""
    scene = Scene()
    one, other, new = scene.full(), scene.full(), scene.full()
    longest = scene.publisher(one, other)
    second = scene.publisher(other)
    take(other)
    assert longest.held == (other,)
    scene.gate.leave(longest, ())
    assert second.granted
    longest = scene.waiter(one, other)
    longest.ticket = 0
    scene.gate.join(longest, [one, other])
    scene.gate.join(second, [new])
    assert second.held == ()
    assert set(second.missing) == {other, new}
    assert longest.held == (other,)


def test_a_key_that_came_into_a_conflated_buffer_lets_its_publisher_go() -> None:
    """An event of that key needs no room any more."""
    scene = Scene()
    box = scene.full()
    needs_room = True
    waiter = Waiter("an event", (), 1, Terms(lambda _: [box] if needs_room else []), float)
    scene.gate.join(waiter, [box])
    scene.gate.look_again(box)
    assert not waiter.granted
    needs_room = False
    scene.gate.look_again(box)
    assert waiter.granted
    assert waiter.held == ()


def test_a_closed_subject_wakes_everybody() -> None:
    """Each looks for itself, and is refused."""
    scene = Scene()
    waiters, bells = [scene.publisher(scene.full()), scene.publisher(scene.full())], [Bell(), Bell()]
    for waiter, bell in zip(waiters, bells, strict=True):
        waiter.sleep_on(bell)
    scene.gate.close()
    assert scene.gate.closed
    assert [bell.rung for bell in bells] == [1, 1]
    assert not any(waiter.granted for waiter in waiters)


def test_a_loop_that_has_ended_leaves_nothing_reserved() -> None:
    """Whoever waited there will never go."""
    scene = Scene()
    one, other = scene.full(), scene.full()
    scene.publisher(one, other)
    take(one)
    scene.gate.abandon()
    assert (one.reserved, one.room()) == (0, 1)
    assert scene.gate.waiting() == 0
    assert other not in scene.gate.missed


def test_it_is_noted_since_when_a_mailbox_is_missed() -> None:
    """The first time stays while it is missed, also when another comes free; one that is missed anew begins anew."""
    scene = Scene()
    one, other = scene.full(2), scene.full()
    scene.time = 1
    waiter = scene.publisher(one, other)
    scene.time = 2
    scene.gate.join(waiter, [one, other])
    assert waiter.missing == {one: 1, other: 1}
    take(one)
    assert waiter.missing == {other: 1}
    scene.time = 3
    scene.gate.join(waiter, [one, other])
    assert waiter.missing == {one: 3, other: 1}


class Watcher:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []

    def waits(self, mailboxes: Collection[Mailbox], /) -> None:
        """A publish begins to wait."""
        self.told.append(("waits", [*mailboxes]))

    def holds(self, mailbox: Mailbox, /) -> None:
        """A mailbox begins to hold."""
        self.told.append(("holds", mailbox))

    def holds_nobody(self, mailbox: Mailbox, /) -> None:
        """It holds nobody any more."""
        self.told.append(("nobody", mailbox))

    def refused(self, refusal: object, /) -> None:
        """A deadlock."""

    def failed(self, failed: object, /) -> None:
        """A failure."""


def test_a_watcher_hears_who_begins_and_ends_to_hold() -> None:
    """Each publish is told once, a mailbox when the first waits for it and when the last does no more; then no more."""
    scene, watcher = Scene(), Watcher()
    scene.gate.watch(watcher)
    box = scene.full(2)
    early, late = scene.publisher(box), scene.publisher(box)
    scene.gate.join(early, [box])
    assert watcher.told == [("waits", [box]), ("holds", box), ("waits", [box])]
    take(box)
    assert watcher.told[3:] == []
    scene.gate.leave(late, ())
    assert watcher.told[3:] == [("nobody", box)]
    scene.gate.unwatch(watcher)
    scene.publisher(scene.full())
    assert scene.gate.watchers == () and watcher.told[4:] == []


def test_what_a_step_costs_does_not_depend_on_how_many_wait() -> None:
    """Of ten thousand that wait for one mailbox, none is asked but the one whose turn it is."""
    scene = Scene()
    box, asked = scene.full(), list[int]()

    def blocked(waiter: Waiter) -> Collection[Mailbox]:
        asked.append(waiter.ticket)
        return ()

    waiters = [Waiter("an event", (), ticket, Terms(blocked), float) for ticket in range(10_000)]
    for waiter in waiters:
        scene.gate.join(waiter, [box])
    assert asked == []
    for ticket, waiter in enumerate(waiters[:3]):
        take(box)
        assert asked.pop() == ticket
        held = scene.gate.give_back(waiter)
        give(box, "an event")
        scene.gate.leave(waiter, held)
        assert asked == []
    scene.gate.leave(waiters[-1], ())
    scene.gate.leave(waiters[5_000], ())
    assert asked == []
    assert scene.gate.waiting() == 9_995


# ------------------------------------------------------------------ whatever happens


class World(Scene):
    """Publishers that come, wait, run and are cancelled, as ``Delivery`` has them do."""

    def __init__(self, capacities: list[int]) -> None:
        super().__init__()
        self.boxes = [mailbox(capacity, unready=self.unready) for capacity in capacities]
        self.wants: dict[Waiter, list[Mailbox]] = {}
        self.given: dict[Mailbox, list[int]] = {box: [] for box in self.boxes}

    def publish(self, wanted: set[int]) -> None:
        """Somebody publishes to these."""
        boxes = [self.boxes[n % len(self.boxes)] for n in sorted(wanted)]
        waiter = self.waiter(*boxes)
        if blocked := waiter.terms.blocked(waiter):
            self.wants[waiter] = list(dict.fromkeys(boxes))
            self.gate.join(waiter, blocked)
        else:
            self.commit(waiter, list(dict.fromkeys(boxes)))

    def commit(self, waiter: Waiter, boxes: list[Mailbox]) -> None:
        """It gives its event out."""
        for box in boxes:
            assert box.room() > 0
            box.offer(waiter.ticket, None)
            self.given[box].append(waiter.ticket)

    def run(self, waiter: Waiter) -> bool:
        """The loop runs this publisher: it goes if it may."""
        if not waiter.granted or self.gate.comes_before(waiter):
            return False
        held = self.gate.give_back(waiter)
        if blocked := waiter.terms.blocked(waiter):
            self.gate.join(waiter, blocked, [box for box in held if box.room() > 0])
            return False
        self.commit(waiter, self.wants.pop(waiter))
        self.gate.leave(waiter, held)
        return True

    def check(self) -> None:
        """What must hold at any moment."""
        for box in self.boxes:
            assert box.reserved == sum(box in waiter.held for waiter in self.gate.queue)
            assert 0 <= box.room() + box.reserved <= box.buffer.capacity
            assert box.room() >= 0
        not_granted = [waiter for waiter in self.gate.queue if not waiter.granted]
        longest = min(not_granted, key=lambda waiter: waiter.ticket, default=None)
        assert self.gate.waiting() == len(not_granted)
        for waiter in self.gate.queue:
            assert waiter.missing.keys().isdisjoint(waiter.held)
            assert all(waiter in self.gate.missed[box] for box in waiter.missing)
            assert waiter.granted is (not waiter.missing)
            for box in waiter.missing:
                assert box.room() == 0 or waiter is not longest
            assert waiter.granted or waiter is longest or not waiter.held
        for line in self.gate.missed.values():
            tickets = [waiter.ticket for waiter in line]
            assert tickets == sorted(set(tickets)) != []


WHICH = st.integers(0, 9)
STEPS = st.one_of(
    st.tuples(st.just("publish"), st.sets(WHICH, min_size=1, max_size=3)),
    st.tuples(st.sampled_from(["take", "take", "run", "cancel"]), WHICH),
)


@settings(max_examples=200)
@given(st.lists(st.integers(1, 2), min_size=1, max_size=3), st.lists(STEPS, max_size=50))
def test_slots_are_conserved_and_nobody_starves(capacities: list[int], steps: list[tuple[str, object]]) -> None:
    """A slot is free, filled, or reserved for one publish; when readers read on, every publish goes, and nothing is left reserved."""
    world = World(capacities)
    for what, which in steps:
        waiters = list(world.wants)
        if isinstance(which, set):
            world.publish(which)
        elif isinstance(which, int) and what == "take":
            take(world.boxes[which % len(world.boxes)])
        elif isinstance(which, int) and waiters:
            waiter = waiters[which % len(waiters)]
            if what == "run":
                world.run(waiter)
            else:
                world.wants.pop(waiter)
                world.gate.leave(waiter, ())
        world.check()
    for _ in range(len(world.wants) + 1):
        for box in world.boxes:
            emptied(box)
        for waiter in list(world.wants):
            world.run(waiter)
        world.check()
    assert not world.wants
    assert not world.gate.queue
    assert all(box.reserved == 0 for box in world.boxes)


@settings(max_examples=100)
@given(st.integers(1, 3), st.lists(st.tuples(st.sampled_from(["publish", "take", "run"]), WHICH), max_size=50))
def test_publishers_that_want_the_same_go_in_the_order_in_which_they_came(
    capacity: int, steps: list[tuple[str, int]]
) -> None:
    """Whatever order the loop runs them in, a mailbox gets the events of those that waited in order."""
    world = World([capacity])
    waited: list[int] = []
    for what, which in steps:
        if what == "publish":
            world.publish({0})
            waited += [waiter.ticket for waiter in world.wants if waiter.ticket not in waited]
        elif what == "take":
            take(world.boxes[0])
        elif world.wants:
            world.run(list(world.wants)[which % len(world.wants)])
    (given_out,) = world.given.values()
    went = [ticket for ticket in given_out if ticket in waited]
    assert went == sorted(went)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_two_publishers_with_two_mailboxes_each_cannot_block_each_other(order: list[int]) -> None:
    """Whichever mailbox comes free first, both publishers go."""
    scene = Scene()
    boxes = [scene.full(), scene.full()]
    early, late = scene.publisher(*boxes), scene.publisher(*reversed(boxes))
    for n in order:
        take(boxes[n])
    assert (early.granted, late.granted) == (True, False)
    scene.gate.leave(early, ())
    assert late.granted
