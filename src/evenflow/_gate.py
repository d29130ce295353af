"""Whose turn it is to publish, where publishers wait for room.

Rule 1: a publish waits only for mailboxes that are full and want this very event; others pass by.
Rule 2: it may go once it has a slot in each of them; then the slots are its own until it has run.
Rule 3: for the publish that has waited longest, each slot that comes free and that it needs is reserved, one in each
        mailbox. A publish that may not go after all gives back what it holds, unless it is that one.
Rule 4: a publish that leaves passes on what was reserved for it, to the next that waits.

A reserved slot counts as taken for everybody else (``Mailbox.room``).
Nothing here waits: a publisher sleeps on a wake-up of its own, which ``Waiter.wake`` fires.
No step looks at all that wait: they are found by the mailbox that they miss, and those that hold slots by those.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from itertools import count, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from ._backends import WakeUp
    from ._errors import Deadlock
    from ._mailbox import Mailbox


class Watcher(Protocol):
    """Whoever looks at a subject from outside, and is told what cannot be read from its numbers.

    It is told in the middle of a publish: it must be quick, raise nothing, and touch no subject.
    """

    def waits(self, mailboxes: Collection[Mailbox], /) -> None:
        """A publish begins to wait for room in these."""
        ...

    def holds(self, mailbox: Mailbox, /) -> None:
        """A mailbox for which nobody waited holds a publish."""
        ...

    def holds_nobody(self, mailbox: Mailbox, /) -> None:
        """Nobody waits for it any more."""
        ...

    def refused(self, refusal: Deadlock, /) -> None:
        """A publish was refused, because it would have waited for ever."""
        ...

    def failed(self, failed: Any, /) -> None:
        """An observer raised: an ``ObserverFailed``."""
        ...


class Terms(Protocol):
    """What all that wait at one subject share: its name, and after how many seconds a wait is a stall."""

    name: str
    stall_after: float

    def blocked(self, waiter: Waiter, /) -> Collection[Mailbox]:
        """The mailboxes that have no slot for it now, those that it holds left out."""
        ...


@dataclass(eq=False, repr=False, slots=True)
class Waiter:
    """A publish that waits for room; the lower its ``ticket``, the earlier it came.

    Attributes:
        event: what is published.
        targets: who wants it; the gate only keeps them for ``terms``.
        terms: the subject that it is published to.
        now: what its times are read from.
        missing: the mailboxes that it needs a slot in and has none, and since when.
        held: those in which a slot is reserved for it.
        unheld: those in which a slot came free that was not reserved for it.
        granted: whether it may go.
        refusal: why it will never go.
    """

    event: object
    targets: Any
    ticket: int
    terms: Terms
    now: Callable[[], float]
    missing: dict[Mailbox, float] = field(default_factory=dict)
    held: tuple[Mailbox, ...] = ()
    unheld: tuple[Mailbox, ...] = ()
    granted: bool = False
    refusal: Deadlock | None = None
    _wake_up: WakeUp | None = None

    @property
    def what(self) -> str:
        """What is published where, in words."""
        return f"{type(self.event).__name__} to {self.terms.name}"

    def sleep_on(self, wake_up: WakeUp) -> None:
        """From now on whatever concerns it fires this."""
        self._wake_up = wake_up

    def wake(self) -> None:
        """Have its task look again."""
        if (wake_up := self._wake_up) is not None and not wake_up.done():
            wake_up.set_result(None)

    def refuse(self, refusal: Deadlock) -> None:
        """It will never go: its task raises this."""
        self.refusal = refusal
        self.wake()

    def hold_all(self, mailboxes: Iterable[Mailbox]) -> None:
        """Reserve a slot for it in each of these."""
        for mailbox in mailboxes:
            if mailbox.end is None:
                mailbox.reserve()
                self.held = (*self.held, mailbox)

    def give_back_all(self) -> tuple[Mailbox, ...]:
        """Give all slots back; returns the mailboxes."""
        held, self.held = self.held, ()
        for mailbox in held:
            mailbox.release()
        return held

    def lose(self, mailbox: Mailbox) -> None:
        """A mailbox takes no more events: it holds no slot there."""
        self.held = tuple(one for one in self.held if one is not mailbox)


Line: TypeAlias = deque[Waiter]
"""Publishes, the earliest first."""


class Gate:
    """The publishes that wait at one subject.

    Attributes:
        queue: all of them.
        missed: those that miss a slot, by mailbox.
        tickets: each publish that comes draws the next.
        closed: whether the subject takes no more events.
        watchers: who is told; nearly always nobody.
    """

    __slots__ = ("_going", "_note_take", "_waiting", "closed", "missed", "queue", "tickets", "watchers")

    def __init__(self, note_take: Callable[[Mailbox], None]) -> None:
        self.tickets: Iterator[int] = count(1)
        self.closed: bool = False
        self.watchers: tuple[Watcher, ...] = ()
        self._note_take = note_take
        self._clear()

    def _clear(self) -> None:
        self.queue: dict[Waiter, None] = {}
        self.missed: dict[Mailbox, Line] = {}
        self._waiting: Line = deque()
        """Those that may not go yet."""
        self._going: dict[Mailbox, Line] = {}
        """Those that may go and hold a slot, by mailbox."""

    def watch(self, watcher: Watcher) -> None:
        """Tell this one from now on."""
        self.watchers = (*self.watchers, watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Tell this one no more."""
        self.watchers = tuple(one for one in self.watchers if one is not watcher)

    def join(self, waiter: Waiter, blocked: Collection[Mailbox], holding: Collection[Mailbox] = ()) -> None:
        """A publish begins to wait, or has to wait again because somebody new has no room; it keeps what it has."""
        longest = self._waiting[0] if self._waiting else waiter
        is_new = waiter not in self.queue
        for watcher in self.watchers if is_new else ():
            watcher.waits(blocked)
        if is_new or waiter.granted:
            waiter.granted = False
            self.queue[waiter] = None
            _insert(self._waiting, waiter)
        if holding:
            waiter.hold_all(holding)
        self._miss(waiter, blocked)
        # whoever is not the longest gives back what was reserved for it: two could hold what the other needs
        other = waiter if longest is self._waiting[0] else longest
        if other.held and other is not self._waiting[0]:
            given_back = other.give_back_all()
            self._miss(other, (*other.missing, *given_back))
            for mailbox in given_back:
                self.freed(mailbox)

    def freed(self, mailbox: Mailbox) -> None:
        """A slot has come free: whose is it?"""
        while (line := self.missed.get(mailbox)) and mailbox.room() > 0:
            if (waiter := line[0]) is self._waiting[0]:
                waiter.hold_all((mailbox,))
            self._misses_no_more(waiter, mailbox)

    def look_again(self, mailbox: Mailbox) -> None:
        """A key has come to a conflated buffer: who brings the same key needs no room any more."""
        for waiter in tuple(self.missed.get(mailbox, ())):
            if mailbox not in waiter.terms.blocked(waiter):
                self._misses_no_more(waiter, mailbox)

    def gone(self, mailbox: Mailbox) -> None:
        """A mailbox takes no more events: nobody waits for it any longer."""
        for waiter in (*self._going.pop(mailbox, ()), *islice(self._waiting, 1)):
            waiter.lose(mailbox)
        for waiter in tuple(self.missed.get(mailbox, ())):
            self._misses_no_more(waiter, mailbox)

    def give_back(self, waiter: Waiter) -> tuple[Mailbox, ...]:
        """A publish that was let go runs now, or leaves: its slots are not reserved any more. Returns the mailboxes."""
        if waiter.granted:
            for mailbox in waiter.held:
                _leave(self._going, mailbox, waiter)
        return waiter.give_back_all()

    def leave(self, waiter: Waiter, had: Iterable[Mailbox]) -> None:
        """A publish has run, or was called off: what it held, or ``had``, and did not use goes to the next."""
        if waiter in self.queue:
            del self.queue[waiter]
            if not waiter.granted:
                _remove(self._waiting, waiter)
        for mailbox in list(waiter.missing):
            self._wait_no_more(waiter, mailbox)
        for mailbox in {*self.give_back(waiter), *had} if waiter.held else had:
            self.freed(mailbox)

    def close(self) -> None:
        """The subject takes no more events: nobody needs to wait."""
        self.closed = True
        waiters = list(self.queue)
        self.abandon()
        for waiter in waiters:
            waiter.wake()

    def abandon(self) -> None:
        """The loop has ended, or the subject: a publish that waited here holds nothing, and is not waited for."""
        for waiter in self.queue:
            waiter.missing.clear()
            waiter.give_back_all()
        for watcher in self.watchers:
            for mailbox in self.missed:
                watcher.holds_nobody(mailbox)
        self._clear()

    def waiting(self) -> int:
        """How many publishes wait for room."""
        return len(self._waiting)

    def latest_but(self, waiter: Waiter) -> Waiter | None:
        """The publish that will go last, as things stand, of all others."""
        return next((one for one in reversed(self._waiting) if one is not waiter), None)

    def comes_before(self, waiter: Waiter) -> bool:
        """Whether a publish that came earlier may go too, shares a mailbox, and has not run yet."""
        return any(self._going[mailbox][0] is not waiter for mailbox in waiter.held)

    def _miss(self, waiter: Waiter, blocked: Collection[Mailbox]) -> None:
        """A publish needs a slot in each of these, and may not go before."""
        missing, missed = waiter.missing, self.missed
        for mailbox in [one for one in missing if one not in blocked] if missing else ():
            self._wait_no_more(waiter, mailbox)
        now = waiter.now()
        for mailbox in blocked:
            if mailbox not in missing:
                missing[mailbox] = now
                if mailbox not in missed:
                    mailbox.watch(self._note_take)
                    for watcher in self.watchers:
                        watcher.holds(mailbox)
                _join(missed, mailbox, waiter)

    def _misses_no_more(self, waiter: Waiter, mailbox: Mailbox) -> None:
        """A publish needs no slot in this mailbox any more; it may go if that was the last."""
        self._wait_no_more(waiter, mailbox)
        if mailbox not in waiter.held and mailbox not in waiter.unheld:
            waiter.unheld = (*waiter.unheld, mailbox)
        if waiter.missing:
            return
        if blocked := waiter.terms.blocked(waiter):
            self._miss(waiter, blocked)
            return
        if waiter.unheld:
            waiter.hold_all([one for one in waiter.unheld if one not in waiter.held and one.room() > 0])
        waiter.granted = True
        _remove(self._waiting, waiter)
        for one in waiter.held:
            _join(self._going, one, waiter)
        waiter.wake()

    def _wait_no_more(self, waiter: Waiter, mailbox: Mailbox) -> None:
        """Take a publish out of the line at a mailbox."""
        del waiter.missing[mailbox]
        _leave(self.missed, mailbox, waiter)
        for watcher in self.watchers if mailbox not in self.missed else ():
            watcher.holds_nobody(mailbox)


_TICKET: Final = attrgetter("ticket")


def _insert(line: Line, waiter: Waiter) -> None:
    """Put a publish into its place; nearly always that is the last."""
    if line and line[-1].ticket > waiter.ticket:
        insort(line, waiter, key=_TICKET)
    else:
        line.append(waiter)


def _remove(line: Line, waiter: Waiter) -> None:
    """Take a publish out; nearly always it is the first."""
    del line[0 if line[0] is waiter else bisect_left(line, waiter.ticket, key=_TICKET)]


def _join(lines: dict[Mailbox, Line], mailbox: Mailbox, waiter: Waiter) -> None:
    if mailbox in lines:
        _insert(lines[mailbox], waiter)
    else:
        lines[mailbox] = deque((waiter,))


def _leave(lines: dict[Mailbox, Line], mailbox: Mailbox, waiter: Waiter) -> None:
    """Take a publish out of the line at a mailbox; a line without anybody is none."""
    _remove(lines[mailbox], waiter)
    if not lines[mailbox]:
        del lines[mailbox]
