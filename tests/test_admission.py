"""Whose turn it is to publish, without a publisher: mailboxes, waiters, and what each is kept."""

from __future__ import annotations

import pytest

from evenflow._admission import Admission, Waiter
from evenflow._mailbox import Mailbox

pytestmark = pytest.mark.asyncio  # a waiter sleeps on an anyio event


class Scene:
    """A few full mailboxes, and publishers that wait for some of them."""

    def __init__(self) -> None:
        self.careful: set[Mailbox] = set()
        self.admission = Admission(self.freed)

    def freed(self, box: Mailbox | None) -> None:
        """A reader took something."""
        assert box is not None
        self.admission.freed(box)

    def full(self, capacity: int = 1) -> Mailbox:
        """A mailbox without room."""
        box = Mailbox(capacity=capacity, overflow="block", conflated=False, gaps=False, careful=self.careful)
        for n in range(capacity):
            box.add(n)
        return box

    def publisher(self, *boxes: Mailbox) -> Waiter:
        """A publish that waits for these."""

        def blocked() -> list[Mailbox]:
            return [box for box in boxes if box not in waiter.held and box.must_wait(None)]

        waiter = Waiter("an event", blocked)
        self.admission.join(waiter, blocked())
        return waiter


async def test_a_slot_goes_to_the_earlier_of_two() -> None:
    """Both wait for one mailbox; one slot comes free."""
    scene = Scene()
    box = scene.full()
    early, late = scene.publisher(box), scene.publisher(box)
    box.take()
    assert (early.granted, late.granted) == (True, False)
    box.discard(EOFError)


async def test_a_slot_that_was_granted_counts_as_taken() -> None:
    """Nobody slips in between the slot and the publish that it was granted to."""
    scene = Scene()
    box = scene.full()
    scene.publisher(box)
    box.take()
    assert box.room() == 0
    assert box.must_wait(None)
    box.discard(EOFError)


async def test_for_the_one_that_has_waited_longest_slots_are_kept_one_a_mailbox() -> None:
    """It needs two mailboxes; the first that comes free waits for it, the second slot there is anybody's."""
    scene = Scene()
    one, other = scene.full(2), scene.full()
    longest = scene.publisher(one, other)
    one.take()
    assert (one.room(), longest.granted) == (0, False)
    one.take()
    assert one.room() == 1
    other.take()
    assert longest.granted
    one.discard(EOFError)
    other.discard(EOFError)


async def test_a_later_one_that_can_go_passes_one_that_cannot() -> None:
    """Strangers pass by: the earlier waits for something else."""
    scene = Scene()
    stuck, box = scene.full(), scene.full()
    early, late = scene.publisher(stuck), scene.publisher(box)
    box.take()
    assert (early.granted, late.granted) == (False, True)
    for mailbox in (stuck, box):
        mailbox.discard(EOFError)


async def test_who_leaves_passes_on_what_was_kept() -> None:
    """A cancelled publish gives its slot to the next that waits for it."""
    scene = Scene()
    one, other = scene.full(), scene.full()
    longest, next_one = scene.publisher(one, other), scene.publisher(one)
    one.take()
    assert not next_one.granted
    scene.admission.leave(longest)
    assert next_one.granted
    assert one.reserved == 1
    for mailbox in (one, other):
        mailbox.discard(EOFError)


async def test_who_leaves_while_nobody_waits_frees_what_was_kept() -> None:
    """The slot is anybody's again."""
    scene = Scene()
    box = scene.full()
    only = scene.publisher(box)
    box.take()
    scene.admission.leave(only)
    assert (box.reserved, box.room()) == (0, 1)
    box.discard(EOFError)


async def test_a_mailbox_that_is_gone_is_waited_for_no_longer() -> None:
    """Its subscription was closed."""
    scene = Scene()
    one, other = scene.full(), scene.full()
    waiter = scene.publisher(one, other)
    one.take()
    other.discard(EOFError)
    scene.admission.gone(other)
    assert waiter.granted
    one.discard(EOFError)


async def test_of_two_that_may_go_and_share_a_mailbox_the_earlier_goes_first() -> None:
    """Whatever order the loop runs them in."""
    scene = Scene()
    box = scene.full(2)
    early, late = scene.publisher(box), scene.publisher(box)
    box.take()
    box.take()
    assert early.granted
    assert late.granted
    assert scene.admission.comes_before(late)
    assert not scene.admission.comes_before(early)
    scene.admission.leave(early)
    assert not scene.admission.comes_before(late)
    scene.admission.leave(late)
    assert box.reserved == 0
    box.discard(EOFError)


async def test_slots_reserved_beforehand_are_given_back_where_none_came_free() -> None:
    """The readers ran, and took from one mailbox only."""
    scene = Scene()
    one, other = scene.full(), scene.full()
    waiter = Waiter("an event", list)
    scene.admission.reserve(waiter, [one, other])
    one.take()
    scene.admission.give_back(waiter)
    assert waiter.held == {one}
    assert (one.reserved, other.reserved) == (1, 0)
    scene.admission.leave(waiter)
    assert (one.reserved, scene.admission.queue) == (0, [])
    for mailbox in (one, other):
        mailbox.discard(EOFError)


@pytest.mark.parametrize("emptied", [True, False])
async def test_who_was_let_go_since_it_was_looked_at_holds_nobody(emptied: bool) -> None:
    """Whether its events are discarded, or can still be read."""
    scene = Scene()
    box = scene.full()
    if emptied:
        box.discard(EOFError)
    else:
        box.finish(EOFError)
    waiter = Waiter("an event", "a subject")
    scene.admission.join(waiter, [box])
    assert waiter.granted
    assert not waiter.held
    box.discard(EOFError)


async def test_a_slot_that_came_free_since_it_was_looked_at_is_its_own() -> None:
    """It is granted at once, and kept."""
    scene = Scene()
    box = scene.full()
    box.take()
    waiter = Waiter("an event", "a subject")
    scene.admission.join(waiter, [box])
    assert (waiter.granted, waiter.held, box.room()) == (True, {box}, 0)
    box.discard(EOFError)
