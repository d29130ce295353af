"""Who reads a mailbox, and whose turn it is.

Rule 1: readers that wait are woken in the order in which they waited, one for each item that is there.
Rule 2: a reader that was woken has the first claim; whoever comes later waits behind it.
Rule 3: a reader that is cancelled passes its turn on.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ._items import EMPTY

if TYPE_CHECKING:
    from weakref import ref

    from anyio import Semaphore


class Readers:
    """The readers of one mailbox."""

    __slots__ = ("bell", "hands", "readers", "rung", "sleepers")

    def __init__(self) -> None:
        self.sleepers: deque[Semaphore] = EMPTY
        """The bells of readers that wait."""
        self.rung: deque[Semaphore] = EMPTY
        """The bells of readers that were woken and have not run yet, in the order in which they waited."""
        self.bell: Semaphore | None = None
        """What the last reader slept on, to be used again: a new one costs a microsecond."""
        self.hands = 0
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
        """A reader goes to sleep until its ``bell`` rings; one that was woken for nothing keeps its turn."""
        if self.sleepers is EMPTY:
            self.sleepers = deque()
        if first:
            self.sleepers.appendleft(bell)
        else:
            self.sleepers.append(bell)
        self.needs_a_look()
        self.rouse()

    def rouse(self) -> None:
        """Wake as many readers as there are items that nobody was woken for."""
        if self.sleepers:
            items = self.items()
            while self.sleepers and len(self.rung) < items:
                self.wake_one()

    def wake_one(self) -> None:
        """Wake the reader that has waited longest."""
        bell = self.sleepers.popleft()
        if self.rung is EMPTY:
            self.rung = deque()
        self.rung.append(bell)
        bell.release()
        if self.sleepers:
            self.needs_a_look()

    def leave(self, bell: Semaphore) -> None:
        """A reader stops waiting; if it was woken already, its turn passes on."""
        if bell in self.sleepers:
            self.sleepers.remove(bell)
            return
        if bell in self.rung:
            self.rung.remove(bell)
        self.rouse()
