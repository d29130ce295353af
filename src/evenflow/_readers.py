"""Who reads a mailbox, and whose turn it is.

Rule 1: readers that wait are woken in the order in which they waited, one for each item that is there.
Rule 2: a reader that was woken has the first claim; whoever comes later waits behind it.
Rule 3: a reader that is cancelled passes its turn on.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final

from ._items import EMPTY

if TYPE_CHECKING:
    from weakref import ref

    from anyio import Semaphore

WAKES_A_TURN: Final = 128
"""So many readers of one subject are woken at a time: the turn of the loop that runs them takes about a millisecond."""


class Wakes:
    """The bells of one subject: so many ring at a time, and each reader that comes lets the next one ring.

    A wake-up costs ten times as much as a delivery: a thousand at once would hold the loop for too long, and a reader
    whose turn comes a little later takes all that has gathered until then, for one wake-up.
    """

    __slots__ = ("due", "ringing")

    def __init__(self) -> None:
        self.due: OrderedDict[Semaphore, None] = OrderedDict()
        """Those that wait for their turn to ring, in order."""
        self.ringing: int = 0
        """Those that have rung and were not answered yet."""

    def forget(self) -> None:
        """The loop has ended: nobody will answer."""
        self.due.clear()
        self.ringing = 0

    def ring(self, bell: Semaphore) -> None:
        """Let it ring, at once or in its turn."""
        if self.ringing < WAKES_A_TURN:
            self.ringing += 1
            bell.release()
        else:
            self.due[bell] = None

    def answered(self) -> None:
        """A reader that was woken runs, or was cancelled: the next bell rings."""
        if self.due:
            self.due.popitem(last=False)[0].release()
        else:
            self.ringing -= 1

    def hurry(self, bell: Semaphore) -> None:
        """Let it ring now, if it has not."""
        if self.due.pop(bell, bell) is None:
            self.ringing += 1
            bell.release()


class EachEvent:
    """What each event looks at, side by side: of 100,000 mailboxes, the one that an event is for is not in a cache.

    Slots lie in memory class by class. A publish to one key among 100,000, each time another one, takes a tenth less.
    """

    __slots__ = ("chunk", "end", "limit", "lying", "sending", "sleepers")


class Readers(EachEvent):
    """The readers of one mailbox."""

    __slots__ = ("bell", "hands", "readers", "returned", "rung", "wakes")

    def __init__(self, wakes: Wakes | None = None) -> None:
        self.wakes: Wakes = wakes or Wakes()
        self.sleepers: deque[Semaphore] = EMPTY
        """The bells of readers that wait."""
        self.returned: int = 0
        """So many of them, at the head, were woken for nothing and keep their turn."""
        self.rung: deque[Semaphore] = EMPTY
        """The bells of readers that were woken and have not run yet, in the order in which they waited."""
        self.bell: Semaphore | None = None
        """What the last reader slept on, to be used again: a new one costs a microsecond."""
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

    def join_sleepers(self, bell: Semaphore, *, first: bool) -> None:
        """A reader goes to sleep until its ``bell`` rings; one that was woken for nothing keeps its turn.

        The ``first`` has just found that there is nothing to take.
        """
        if self.sleepers is EMPTY:
            self.sleepers, self.rung = deque(), deque()
        if first:
            self.sleepers.insert(self.returned, bell)
            self.returned += 1
        else:
            self.sleepers.append(bell)
            self.needs_a_look()
            self.rouse()

    def answer(self, bell: Semaphore) -> None:
        """The reader that was woken first runs; the next one will sleep on its bell."""
        self.rung.popleft()
        self.bell = bell
        self.wakes.answered()

    def rouse(self) -> None:
        """Wake as many readers as there are items that nobody was woken for."""
        if self.sleepers:
            items = self.items()
            while self.sleepers and len(self.rung) < items:
                self.wake_one()

    def wake_one(self) -> None:
        """Wake the reader that has waited longest."""
        bell = self.sleepers.popleft()
        if self.returned:
            self.returned -= 1
        self.rung.append(bell)
        self.wakes.ring(bell)
        if self.sleepers:
            self.needs_a_look()

    def hurry(self) -> None:
        """Whoever was woken runs in the next turn of the loop."""
        for bell in self.rung:
            self.wakes.hurry(bell)

    def leave(self, bell: Semaphore) -> None:
        """A reader stops waiting; if it was woken already, its turn passes on."""
        if bell in self.sleepers:
            if self.sleepers.index(bell) < self.returned:
                self.returned -= 1
            self.sleepers.remove(bell)
            return
        if bell in self.rung:
            self.rung.remove(bell)
            if self.wakes.due.pop(bell, bell) is bell:
                self.wakes.answered()
        self.rouse()
