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
from itertools import count, takewhile
from operator import attrgetter
from typing import TYPE_CHECKING

from anyio import Event

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from ._mailbox import Mailbox


class Waiter:
    """A publish that waits for room; the lower its ``ticket``, the earlier it came.

    ``missing`` are the mailboxes that it needs a slot in and has none, ``needed`` all that it ever missed one in,
    and ``held`` those in which one is reserved for it. ``blocked`` finds the mailboxes that have no slot for it now,
    those that it holds left out.
    """

    __slots__ = ("blocked", "granted", "held", "missing", "needed", "since", "ticket", "wake_up", "what")

    def __init__(
        self, event: object, subject: str, ticket: int, blocked: Callable[[Waiter], Collection[Mailbox]]
    ) -> None:
        self.what: str = f"{type(event).__name__} to {subject}"
        self.ticket: int = ticket
        self.blocked: Callable[[Waiter], Collection[Mailbox]] = blocked
        self.missing: set[Mailbox] = set()
        self.needed: set[Mailbox] = set()
        self.held: set[Mailbox] = set()
        self.granted: bool = False
        self.wake_up: Event = Event()
        self.since: dict[Mailbox, float] = {}

    def miss(self, blocked: Iterable[Mailbox], note_take: Callable[[Mailbox], None]) -> None:
        """It needs a slot in each of these, and may not go before; each calls ``note_take`` whenever it is read."""
        self.granted = False
        if self.wake_up.is_set():
            self.wake_up = Event()
        self.missing = set(blocked)
        self.needed |= self.missing
        for mailbox in self.missing:
            mailbox.watch(note_take)

    def hold_all(self, mailboxes: Iterable[Mailbox]) -> None:
        """Reserve a slot for it in each of these."""
        for mailbox in mailboxes:
            if mailbox.end is None:
                mailbox.reserve()
                self.held.add(mailbox)

    def give_back_all(self) -> set[Mailbox]:
        """Give all slots back; returns the mailboxes."""
        held, self.held = self.held, set()
        for mailbox in held:
            mailbox.release()
        return held

    def note_time(self, now: float) -> None:
        """Note which mailboxes it misses, and since when."""
        self.since = {mailbox: self.since.get(mailbox, now) for mailbox in self.missing}


class Gate:
    """The publishes that wait at one subject: all of them are in ``queue``, the earliest first."""

    __slots__ = ("_note_take", "closed", "queue", "tickets")

    def __init__(self, note_take: Callable[[Mailbox], None]) -> None:
        self.queue: list[Waiter] = []
        self.tickets: Iterator[int] = count(1)
        """Each publish that comes draws the next."""
        self.closed: bool = False
        self._note_take = note_take

    def join(self, waiter: Waiter, blocked: Collection[Mailbox]) -> None:
        """A publish begins to wait, or has to wait again because somebody new has no room."""
        if waiter not in self.queue:
            insort(self.queue, waiter, key=attrgetter("ticket"))
        waiter.miss(blocked, self._note_take)
        self._let_only_the_longest_hold()

    def freed(self, mailbox: Mailbox) -> None:
        """A slot has come free: whose is it?"""
        longest = next((waiter for waiter in self.queue if not waiter.granted), None)
        for waiter in self.queue:
            if mailbox.room() <= 0:
                return
            if not waiter.granted and mailbox in waiter.missing:
                if waiter is longest:
                    waiter.hold_all((mailbox,))
                self._misses_no_more(waiter, mailbox)

    def look_again(self, mailbox: Mailbox) -> None:
        """A key has come to a conflated buffer: who brings the same key needs no room any more."""
        for waiter in self.queue:
            if not waiter.granted and mailbox in waiter.missing and mailbox not in waiter.blocked(waiter):
                self._misses_no_more(waiter, mailbox)

    def gone(self, mailbox: Mailbox) -> None:
        """A mailbox takes no more events: nobody waits for it any longer."""
        for waiter in self.queue:
            waiter.held.discard(mailbox)
            waiter.needed.discard(mailbox)
            if mailbox in waiter.missing:
                self._misses_no_more(waiter, mailbox)

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
            waiter.wake_up.set()

    def abandon(self) -> None:
        """The loop has ended: a publish that waited here holds nothing, and is not waited for."""
        for waiter in self.queue:
            waiter.give_back_all()
        self.queue = []

    def waiting(self) -> int:
        """How many publishes wait for room."""
        return sum(not waiter.granted for waiter in self.queue)

    def is_waited_for(self, mailbox: Mailbox) -> bool:
        """Whether a publish waits for room in this mailbox."""
        return any(mailbox in waiter.missing for waiter in self.queue)

    def comes_before(self, waiter: Waiter) -> bool:
        """Whether a publish that came earlier may go too, shares a mailbox, and has not run yet."""
        earlier = takewhile(lambda other: other is not waiter, self.queue)
        return any(other.granted and not other.held.isdisjoint(waiter.held) for other in earlier)

    def _misses_no_more(self, waiter: Waiter, mailbox: Mailbox) -> None:
        """A publish needs no slot in this mailbox any more; it may go if that was the last."""
        waiter.missing.discard(mailbox)
        if waiter.missing:
            return
        if blocked := waiter.blocked(waiter):
            waiter.miss(blocked, self._note_take)
        else:
            waiter.hold_all(one for one in waiter.needed - waiter.held if one.room() > 0)
            waiter.granted = True
            waiter.wake_up.set()

    def _let_only_the_longest_hold(self) -> None:
        """Whoever else waits gives back what it was granted before: two could hold what the other needs."""
        given_back: dict[Mailbox, None] = {}
        for waiter in [one for one in self.queue if not one.granted][1:]:
            if held := waiter.give_back_all():
                waiter.miss(waiter.missing | held, self._note_take)
                given_back.update(dict.fromkeys(held))
        for mailbox in given_back:
            self.freed(mailbox)
