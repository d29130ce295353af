"""Whose turn it is to publish, where publishers wait for room.

Rule 1: a publish waits only for mailboxes that are full and want this very event; others pass by.
Rule 2: it may go once it has a slot in each of them; then the slots are its own until it has run.
Rule 3: for the publish that has waited longest, each slot that comes free and that it needs is reserved, one in each
        mailbox. A publish that may not go after all gives back what it holds, unless it is that one.
Rule 4: a publish that leaves passes on what was reserved for it, to the next that waits.

A reserved slot counts as taken for everybody else (``Mailbox.room``).
Nothing here waits: a publisher sleeps on its own ``Waiter.wake_up``.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING

from anyio import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from ._mailbox import Mailbox


class Waiter:
    """A publish that waits for room.

    Attributes:
        event: what it publishes.
        ticket: its place in the queue: the lower, the earlier it came.
        missing: the mailboxes that it needs a slot in, and has none.
        needed: all mailboxes that it ever missed a slot in.
        held: the mailboxes in which a slot is reserved for it.
        granted: whether it may go.
        wake_up: what it sleeps on, once it sleeps.
        since: for each mailbox that it misses, when it was first seen to.
    """

    __slots__ = ("_subject", "blocked", "event", "granted", "held", "missing", "needed", "since", "ticket", "wake_up")

    def __init__(
        self, event: object, subject: str, ticket: int, blocked: Callable[[Waiter], Collection[Mailbox]]
    ) -> None:
        self.event = event
        self.ticket = ticket
        self._subject = subject
        self.blocked = blocked
        """Asks the publish which mailboxes have no slot for it now, those that it holds left out."""
        self.missing: set[Mailbox] = set()
        self.needed: set[Mailbox] = set()
        self.held: set[Mailbox] = set()
        self.granted = False
        self.wake_up: Event | None = None
        self.since: dict[Mailbox, float] = {}

    @property
    def what(self) -> str:
        """What is published where, in words."""
        return f"{type(self.event).__name__} to {self._subject}"

    def wake(self) -> None:
        """Wake it, if it sleeps."""
        if self.wake_up is not None:
            self.wake_up.set()

    def miss(self, blocked: Collection[Mailbox]) -> None:
        """It needs a slot in each of these, and may not go before."""
        self.granted = False
        if self.wake_up is None or self.wake_up.is_set():
            self.wake_up = Event()
        self.missing = set(blocked)
        self.needed |= self.missing

    def hold(self, mailbox: Mailbox) -> None:
        """Reserve a slot for it."""
        mailbox.reserve()
        self.held.add(mailbox)

    def hold_all(self, mailboxes: Collection[Mailbox]) -> None:
        """Reserve a slot for it in each of these."""
        for mailbox in mailboxes:
            if mailbox.end is None:
                self.hold(mailbox)

    def give_back(self, mailbox: Mailbox) -> None:
        """Give one slot back."""
        mailbox.release()
        self.held.discard(mailbox)

    def give_back_all(self) -> set[Mailbox]:
        """Give all slots back; returns the mailboxes."""
        held, self.held = self.held, set()
        for mailbox in held:
            mailbox.release()
        return held

    def grant(self) -> None:
        """It may go."""
        self.granted = True
        self.wake()

    def forget(self, mailbox: Mailbox) -> None:
        """A mailbox takes no more events."""
        self.held.discard(mailbox)
        self.needed.discard(mailbox)
        self.missing.discard(mailbox)

    def note_time(self, now: float) -> None:
        """Note which mailboxes it misses, and since when."""
        self.since = {mailbox: self.since.get(mailbox, now) for mailbox in self.missing}


class Gate:
    """The publishes that wait at one subject.

    Attributes:
        queue: all of them, the earliest first.
        closed: whether the subject takes no more events.
    """

    __slots__ = ("_note_take", "_tickets", "closed", "queue")

    def __init__(self, note_take: Callable[[Mailbox], None]) -> None:
        self.queue: list[Waiter] = []
        self._tickets = 0
        self.closed = False
        self._note_take = note_take
        """What a mailbox calls at each take while somebody waits for it."""

    def ticket(self) -> int:
        """The ticket of a publish that comes now."""
        self._tickets += 1
        return self._tickets

    def join(self, waiter: Waiter, blocked: Collection[Mailbox]) -> None:
        """A publish begins to wait, or has to wait again because somebody new has no room."""
        if waiter not in self.queue:
            insort(self.queue, waiter, key=_ticket)
        self._wait_again(waiter, blocked)
        self._let_only_the_longest_hold()

    def freed(self, mailbox: Mailbox) -> None:
        """A slot has come free: whose is it?"""
        longest = next((waiter for waiter in self.queue if not waiter.granted), None)
        for waiter in self.queue:
            if mailbox.room() <= 0:
                return
            if waiter.granted or mailbox not in waiter.missing:
                continue
            waiter.missing.discard(mailbox)
            if waiter is longest:
                waiter.hold(mailbox)
            self._grant_if_complete(waiter)

    def look_again(self, mailbox: Mailbox) -> None:
        """A key has come to a conflated buffer: who brings the same key needs no room any more."""
        for waiter in self.queue:
            if not waiter.granted and mailbox in waiter.missing and mailbox not in waiter.blocked(waiter):
                waiter.missing.discard(mailbox)
                self._grant_if_complete(waiter)

    def gone(self, mailbox: Mailbox) -> None:
        """A mailbox takes no more events: nobody waits for it any longer."""
        for waiter in self.queue:
            missed = mailbox in waiter.missing
            waiter.forget(mailbox)
            if missed:
                self._grant_if_complete(waiter)

    def leave(self, waiter: Waiter, had: Collection[Mailbox]) -> None:
        """A publish has run, or was called off: what it held, or ``had``, and did not use goes to the next."""
        if waiter in self.queue:
            self.queue.remove(waiter)
        for mailbox in waiter.give_back_all() | set(had):
            self.freed(mailbox)

    def close(self) -> None:
        """The subject takes no more events: nobody needs to wait."""
        self.closed = True
        for waiter in self.queue:
            waiter.wake()

    def abandon(self) -> None:
        """The loop has ended: a publish that waited here holds nothing, and is not waited for."""
        for waiter in self.queue:
            waiter.give_back_all()
        self.queue = []

    def waiting(self) -> int:
        """How many publishes wait for room."""
        return sum(1 for waiter in self.queue if not waiter.granted)

    def is_waited_for(self, mailbox: Mailbox) -> bool:
        """Whether a publish waits for room in this mailbox."""
        return any(mailbox in waiter.missing for waiter in self.queue)

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
        if blocked := waiter.blocked(waiter):
            self._wait_again(waiter, blocked)
            return
        for mailbox in waiter.needed - waiter.held:
            if mailbox.room() > 0:
                waiter.hold(mailbox)
        waiter.grant()

    def _wait_again(self, waiter: Waiter, blocked: Collection[Mailbox]) -> None:
        waiter.miss(blocked)
        for mailbox in blocked:
            mailbox.watch(self._note_take)

    def _let_only_the_longest_hold(self) -> None:
        """Whoever else waits gives back what it was granted before: two could hold what the other needs."""
        others = [waiter for waiter in self.queue if not waiter.granted][1:]
        given_back: dict[Mailbox, None] = {}
        for waiter in others:
            if waiter.held:
                held = waiter.give_back_all()
                waiter.miss(waiter.missing | held)
                given_back.update(dict.fromkeys(held))
        for mailbox in given_back:
            mailbox.watch(self._note_take)
            self.freed(mailbox)


def _ticket(waiter: Waiter) -> int:
    return waiter.ticket
