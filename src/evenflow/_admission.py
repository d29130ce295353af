"""Whose turn it is to publish, where publishers wait for room.

Rule 1: a publish waits only for mailboxes that are full and want this very event; others pass by.
Rule 2: it may go once it has a slot in each of them; then the slots are its own until it has run.
Rule 3: for the one that has waited longest, each slot that comes free and that it needs is kept, one a mailbox.
        One that may not go after all gives back what it holds, unless it is that one.
Rule 4: whoever leaves passes on what was kept for it, to the next that waits.

A slot that is kept or granted counts as taken for everybody else (`Mailbox.reserved`).
Nothing here waits: a publisher sleeps on its own `Waiter.wake`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from ._mailbox import Mailbox


class Waiter:
    """A publish that waits for room."""

    __slots__ = ("blocked", "event", "granted", "held", "missing", "since", "subject", "waited_for", "wake")

    def __init__(self, event: object, subject: str) -> None:
        self.event = event
        self.subject = subject
        self.blocked: Callable[[], Collection[Mailbox]] = tuple
        """Asks the publish which mailboxes have no slot for it now, those that it holds left out."""
        self.missing: set[Mailbox] = set()
        self.waited_for: set[Mailbox] = set()
        self.held: set[Mailbox] = set()
        self.granted = False
        self.wake: Event | None = None
        """What it sleeps on, once it sleeps."""
        self.since: dict[Mailbox, float] = {}
        """For each mailbox it misses, when it was first seen to."""

    @property
    def what(self) -> str:
        """What is published where, in words."""
        return f"{type(self.event).__name__} to {self.subject}"

    def rouse(self) -> None:
        """Wake it, if it sleeps."""
        if self.wake is not None:
            self.wake.set()

    def note_since(self, now: float) -> None:
        """Note which mailboxes it misses, and since when."""
        self.since = {box: self.since.get(box, now) for box in list(self.missing)}


class Admission:
    """The publishers that wait at one subject, the earliest first."""

    __slots__ = ("_taken", "first", "queue")

    def __init__(self, taken: Callable[[Mailbox], None]) -> None:
        self.queue: list[Waiter] = []
        self.first: Sequence[Mailbox] = ()
        """Where a slot is kept for the publish that lets readers run: it comes before the queue, and does not sleep."""
        self._taken = taken
        """What a mailbox calls at each take while somebody waits for it."""

    def join(self, waiter: Waiter, blocked: Collection[Mailbox]) -> None:
        """A publish begins to wait, or has to wait again because somebody new has no room."""
        if waiter not in self.queue:
            self.queue.append(waiter)
        self._wait_again(waiter, blocked)
        self._let_only_the_longest_hold()
        if not waiter.missing:
            self._grant_if_complete(waiter)

    def keep(self, boxes: Sequence[Mailbox]) -> None:
        """Nobody waits, and every reader is about to run: the slots that come free are kept for one publish."""
        self.first = boxes
        boxes[0].careful.update(boxes)
        for box in boxes:
            box.reserved += 1

    def release_first(self) -> bool:
        """The publish that comes first runs now, with no await any more; returns whether it can simply append."""
        boxes, self.first = self.first, ()
        simple = True
        for box in boxes:
            box.reserved -= 1
            if box.chunk or box.ready or box.front or box.reserved or box.end is not None:
                simple = box.review() and simple
            else:  # the usual case, without a call
                box.limit = box.capacity
        if simple and boxes:
            boxes[0].careful.difference_update(boxes)
        return simple

    def give_up(self) -> None:
        """The publish that comes first was cancelled or refused: what was kept for it goes to the next."""
        boxes = self.first
        self.release_first()
        for box in boxes:
            self.freed(box)

    def stand_first(self, waiter: Waiter, boxes: Sequence[Mailbox]) -> None:
        """The publish that came first must wait after all, before all others; slots that came free are its own."""
        self.queue.insert(0, waiter)
        waiter.granted = True
        for box in boxes:
            if box.room() > 0 and box.end is None:
                self._hold(waiter, box)

    def reserve(self, waiter: Waiter, blocked: Collection[Mailbox]) -> None:
        """The first to wait, where every reader is about to run: the slots that come free are its own beforehand."""
        self.queue.append(waiter)
        waiter.granted = True
        for box in blocked:
            self._hold(waiter, box)

    def give_back(self, waiter: Waiter) -> None:
        """Give up what was reserved where no slot came free."""
        for box in [box for box in waiter.held if box.room() < 0]:
            box.reserved -= 1
            waiter.held.discard(box)

    def freed(self, box: Mailbox) -> None:
        """A slot has come free: whose is it?"""
        longest = next((w for w in self.queue if not w.granted), None)
        for waiter in self.queue:
            if box.room() <= 0:
                return
            if waiter.granted or box not in waiter.missing:
                continue
            waiter.missing.discard(box)
            if waiter is longest:
                self._hold(waiter, box)
            self._grant_if_complete(waiter)

    def look_again(self, box: Mailbox) -> None:
        """A key has come to a conflated buffer: who brings the same key needs no room any more."""
        for waiter in self.queue:
            if not waiter.granted and box in waiter.missing and box not in waiter.blocked():
                waiter.missing.discard(box)
                self._grant_if_complete(waiter)

    def gone(self, box: Mailbox) -> None:
        """A mailbox takes no more events: nobody waits for it any longer."""
        for waiter in self.queue:
            waiter.held.discard(box)
            waiter.waited_for.discard(box)
            if box in waiter.missing:
                waiter.missing.discard(box)
                self._grant_if_complete(waiter)

    def leave(self, waiter: Waiter) -> None:
        """A publish has run, or was cancelled or refused: what it held goes to the next."""
        if waiter in self.queue:
            self.queue.remove(waiter)
        held, waiter.held = waiter.held, set()
        for box in held:
            box.reserved -= 1
        for box in held:
            self.freed(box)

    def release(self, waiter: Waiter) -> set[Mailbox]:
        """The publish runs now, with no await any more: its slots are its own to fill; returns where they are."""
        held, waiter.held = waiter.held, set()
        for box in held:
            box.reserved -= 1
        return held

    def take_back(self, waiter: Waiter, held: set[Mailbox]) -> None:
        """The publish must wait on: what it had is kept for it."""
        for box in held:
            self._hold(waiter, box)

    def abandon(self) -> None:
        """The loop has ended, and every slot is free: who is let go later has nothing to give back."""
        self.first = ()
        for waiter in self.queue:
            waiter.held = set()

    def misses(self, box: Mailbox) -> bool:
        """Whether a publish waits for room in this mailbox."""
        return any(box in waiter.missing for waiter in self.queue)

    def comes_before(self, waiter: Waiter) -> bool:
        """Whether a publish that came earlier may go too, shares a mailbox, and has not run yet."""
        for other in self.queue:
            if other is waiter:
                return False
            if other.granted and not other.held.isdisjoint(waiter.held):
                return True
        return False

    def _grant_if_complete(self, waiter: Waiter) -> None:
        if waiter.missing:
            return
        if blocked := waiter.blocked():
            self._wait_again(waiter, blocked)
            return
        for box in waiter.waited_for - waiter.held:
            if box.room() > 0:
                self._hold(waiter, box)
        waiter.granted = True
        waiter.rouse()

    def _wait_again(self, waiter: Waiter, blocked: Collection[Mailbox]) -> None:
        waiter.granted = False
        if waiter.wake is None or waiter.wake.is_set():
            waiter.wake = Event()
        for box in blocked:
            if box.on_take is None:
                box.slow_down(self._taken)
        waiter.missing = set(blocked)
        waiter.waited_for |= waiter.missing
        for box in blocked:  # a destructor may have let it go, or read from it, since it was looked at
            if box.end is not None:
                waiter.missing.discard(box)
                waiter.waited_for.discard(box)
            elif box.room() > 0:
                self.freed(box)

    def _let_only_the_longest_hold(self) -> None:
        """Whoever else waits gives back what it was granted before: two could hold what the other needs."""
        others = [waiter for waiter in self.queue if not waiter.granted][1:]
        given_back: dict[Mailbox, None] = {}
        for waiter in others:
            for box in waiter.held:
                box.reserved -= 1
                given_back[box] = None
            waiter.missing |= waiter.held
            waiter.held = set()
        for box in given_back:
            if box.on_take is None:
                box.slow_down(self._taken)
            self.freed(box)

    @staticmethod
    def _hold(waiter: Waiter, box: Mailbox) -> None:
        box.reserved += 1
        box.be_careful()
        waiter.held.add(box)
