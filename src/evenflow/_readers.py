"""Who reads a mailbox, and whose turn it is.

Rule 1: readers that wait are woken in the order in which they waited, one for each item that is there.
Rule 2: a reader that was woken has the first claim; whoever comes later waits behind it.
Rule 3: a reader that is cancelled passes its turn on.

They stand in one line, each with the bell that it sleeps on:

    woken       the first of the line: their bells have rung, or are due to, and they have not run yet
    asleep      all others; the first of them (`returned`) were woken for nothing and keep their turn
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from ._items import EMPTY
from ._turns import Turns, turns_here

if TYPE_CHECKING:
    from weakref import ref

    from ._loops import Bell

WAKES_A_TURN: Final = 128
"""So many readers of one subject are woken at a time: the turn of the loop that runs them takes about a millisecond."""


class Wakes:
    """The bells of one subject: so many ring at a time, and each reader that comes lets the next one ring.

    A wake-up costs ten times as much as a delivery: a thousand at once would hold the loop for too long, and a reader
    whose turn comes a little later takes all that has gathered until then, for one wake-up.
    """

    __slots__ = ("due", "ringing", "turns")

    def __init__(self) -> None:
        self.due: OrderedDict[Bell, None] = OrderedDict()
        """Those that wait for their turn to ring, in order."""
        self.ringing: int = 0
        """Those that have rung and were not answered yet."""
        self.turns: Turns = turns_here()
        """Where it is counted what readers take."""

    def forget(self) -> None:
        """The loop has ended: nobody will answer."""
        self.due.clear()
        self.ringing = 0

    def ring(self, bell: Bell) -> None:
        """Let it ring, at once or in its turn."""
        if self.ringing < WAKES_A_TURN:
            self.ringing += 1
            if not bell.done():  # its reader may have been cancelled
                bell.set_result(None)
        else:
            self.due[bell] = None

    def answered(self) -> None:
        """A reader that was woken runs, or was cancelled: the next bell rings, in its order, however many ring."""
        if self.due:
            bell, _ = self.due.popitem(last=False)
            if not bell.done():
                bell.set_result(None)
        else:
            self.ringing -= 1

    def hurry(self, bell: Bell) -> None:
        """Let it ring now, if it has not."""
        if self.due.pop(bell, bell) is None:
            self.ringing += 1
            if not bell.done():
                bell.set_result(None)


class EachEvent:
    """What each event looks at, side by side: of 100,000 mailboxes, the one that an event is for is not in a cache.

    Slots lie in memory class by class. A publish to one key among 100,000, each time another one, takes a tenth less.
    """

    __slots__ = ("asleep", "chunk", "end", "limit", "line", "lying", "returned", "sending", "spent", "wakes", "woken")


class EachChunk(EachEvent):
    """What each chunk that is taken, and each buffer that is full, looks at besides."""

    __slots__ = ("capacity", "front", "on_take", "overflow", "plain", "ready", "receiving", "reserved", "taken")


class Readers(EachChunk):
    """The readers of one mailbox."""

    __slots__ = ("hands", "readers")

    chunk: deque[Any]
    """What is there for them, unless it was taken over already."""
    end: BaseException | type[BaseException] | None
    """What they get after that."""

    def __init__(self, wakes: Wakes | None = None) -> None:
        self.wakes: Wakes = wakes or Wakes()
        self.line: deque[Bell] = EMPTY
        """The bells of readers that wait: of those that were woken, then of those that sleep."""
        self.woken: int = 0
        """So many at the head of the line were woken and have not run yet."""
        self.asleep: int = 0
        """So many sleep, behind those."""
        self.returned: int = 0
        """So many of those that sleep, the first, were woken for nothing and keep their turn."""
        self.spent: bool = False
        """Whether the last event came with the last of a credit that was for this mailbox alone."""
        self.hands: int = 0
        """So many tasks are going to read, whether they have begun or not."""
        self.readers: tuple[ref[object], ...] = ()
        """The tasks known to read."""

    def items(self) -> int:
        """How many items could be taken now; at least one more than there are bells rung, once it has ended."""
        raise NotImplementedError

    def needs_a_look(self) -> None:
        """From now on an event cannot simply be appended: somebody has to be woken for it."""
        raise NotImplementedError

    def renew_credit(self) -> None:
        """Whoever publishes has used up what it was given beforehand: now, where nobody waits for it, there is time."""
        raise NotImplementedError

    def join_line(self, bell: Bell, *, first: bool) -> deque[Bell]:
        """A reader goes to sleep until its ``bell`` rings; one that was woken for nothing keeps its turn.

        The ``first`` has just found that there is nothing to take. Returns the line.
        """
        if self.line is EMPTY:
            self.line = deque()
        if self.spent:
            self.renew_credit()
        self.asleep += 1
        if first and self.line:
            self.line.insert(self.woken + self.returned, bell)
            self.returned += 1
        else:
            self.line.append(bell)
        if not first:
            self.needs_a_look()
            self.rouse()
        elif self.chunk or self.end is not None:  # a destructor has put it there since
            self.rouse()
        return self.line

    def answer(self) -> None:
        """The first of the line runs."""
        self.line.popleft()  # type: ignore[unused-awaitable]  # its reader has awaited it
        self.woken -= 1
        wakes = self.wakes
        if wakes.due:
            wakes.answered()
        else:  # the usual case, without a call
            wakes.ringing -= 1

    def rouse(self) -> None:
        """Wake as many readers as there are items that nobody was woken for."""
        if self.asleep:
            items = self.items()
            while self.asleep and self.woken < items:
                self.wake_one()

    def wake_one(self) -> None:
        """Wake the reader that has waited longest."""
        woken = self.woken
        self.woken = woken + 1
        self.asleep -= 1
        if self.returned:
            self.returned -= 1
        self.wakes.ring(self.line[woken])
        if self.asleep:
            self.needs_a_look()

    def hurry(self) -> None:
        """Whoever was woken runs in the next turn of the loop."""
        for bell in islice(self.line, self.woken):
            self.wakes.hurry(bell)

    def leave(self, bell: Bell) -> None:
        """A reader stops waiting; if it was woken already, its turn passes on."""
        if bell not in self.line:  # the loop has ended, and the line with it
            return
        place = self.line.index(bell)
        del self.line[place]
        if place >= self.woken:
            self.asleep -= 1
            self.returned -= place < self.woken + self.returned
            return
        self.woken -= 1
        if self.wakes.due.pop(bell, bell) is bell:
            self.wakes.answered()
        self.rouse()

    def forget_readers(self) -> None:
        """The loop has ended: nobody waits any more."""
        self.line = EMPTY
        self.woken = self.asleep = self.returned = 0
