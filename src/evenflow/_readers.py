"""Who waits to read one subscription, and whose turn it is; and who is told when it has ended.

Rule 1: readers are woken in the order in which they began to wait, as many as there are items.
Rule 2: a reader that was woken has the first claim; whoever comes later waits behind it.
Rule 3: a reader that is cancelled passes its turn on.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from weakref import ref

    from ._backends import WakeUp

WAKE_UPS_A_TURN: Final = 128
"""At most this many readers of one subject are woken at a time: the loop runs them in one to two milliseconds."""

NOBODY: Final = cast("deque[Any]", ())
"""The line in which nobody ever stood: as empty as a deque, without the 600 bytes that an empty deque takes."""


class WakeUps:
    """The wake-ups of one life of a subject: a limited number fires, and each reader that runs lets the next one fire.

    A wake-up costs ten times as much as a delivery: a thousand at once would hold the loop for too long, and a reader
    that runs a little later takes all that has gathered until then. Those that wait for their turn to fire are ``due``.
    """

    __slots__ = ("due", "fired")

    def __init__(self) -> None:
        self.due: OrderedDict[WakeUp, None] = OrderedDict()
        self.fired: int = 0

    def forget(self) -> None:
        """The loop has ended: nobody will answer."""
        self.due.clear()
        self.fired = 0

    def fire(self, wake_up: WakeUp) -> None:
        """Fire it, at once or in its turn."""
        self.due[wake_up] = None
        if self.fired < WAKE_UPS_A_TURN:
            self.fire_now(wake_up)

    def fire_now(self, wake_up: WakeUp) -> None:
        """Fire it now, if it is due."""
        if wake_up in self.due:
            del self.due[wake_up]
            self.fired += 1
            if not wake_up.done():  # its reader may have been cancelled
                wake_up.set_result(None)

    def answered(self) -> None:
        """A reader that was woken runs, or was cancelled: the next wake-up fires."""
        self.fired -= 1
        if self.due:
            self.fire_now(next(iter(self.due)))


class ReaderLine:
    """The readers of one subscription, as the wake-ups that they sleep on.

    The first of the ``queue`` were ``woken`` and have not run yet; all others are ``asleep``, and the first of these
    are ``_returned``: they were woken for nothing, and keep their turn.
    """

    __slots__ = ("_expected", "_returned", "_told_of_end", "_wake_ups", "known", "private", "queue", "woken")

    def __init__(self, wake_ups: WakeUps) -> None:
        self._wake_ups = wake_ups
        self._expected: int = 0
        self.private: bool = False
        """Whether nobody but an observer, an operator or a sink can read, so that it is known who will."""
        self.known: tuple[ref[object], ...] = ()
        """The tasks that have read."""
        self._told_of_end: dict[Callable[[], None], None] | None = None
        self.forget()

    def forget(self) -> None:
        """The loop has ended: nobody waits any more."""
        self.queue: deque[WakeUp] = NOBODY
        self.woken: int = 0
        self._returned: int = 0

    @property
    def asleep(self) -> int:
        """How many wait, and were not woken."""
        return len(self.queue) - self.woken

    def join(self, wake_up: WakeUp, *, first: bool) -> None:
        """A reader goes to sleep; the ``first`` has just found nothing to take, and keeps its turn."""
        if self.queue is NOBODY:
            self.queue = deque()
        if first and self.queue:
            self.queue.insert(self.woken + self._returned, wake_up)
            self._returned += 1
        else:
            self.queue.append(wake_up)

    def answer(self, wake_up: WakeUp) -> bool:
        """A reader runs that was woken; returns whether it is the first of the line, and so its turn."""
        queue, wake_ups = self.queue, self._wake_ups
        if (front := queue.popleft()) is not wake_up:
            queue.appendleft(front)
            return False
        self.woken -= 1
        if wake_ups.due:
            wake_ups.answered()
        else:  # as `answered` would: a call would be 1 % of a hand-over
            wake_ups.fired -= 1
        return True

    def leave(self, wake_up: WakeUp) -> None:
        """A reader stops waiting; the caller wakes another for what it was woken for."""
        if wake_up not in self.queue:  # the loop has ended, and the line with it
            return
        place = self.queue.index(wake_up)
        del self.queue[place]
        if place < self.woken:
            self.woken -= 1
            if wake_up in self._wake_ups.due:
                del self._wake_ups.due[wake_up]
            else:
                self._wake_ups.answered()
        else:
            self._returned -= place < self.woken + self._returned

    def wake(self, items: int) -> None:
        """Wake as many readers as there are items that nobody was woken for."""
        while self.woken < items and self.woken < len(self.queue):
            self.wake_one()

    def wake_one(self) -> None:
        """Wake the reader that has waited longest; there is one."""
        wake_up, wake_ups = self.queue[self.woken], self._wake_ups
        self.woken += 1
        if self._returned:
            self._returned -= 1
        if wake_ups.fired < WAKE_UPS_A_TURN and not wake_up.done():  # as `fire` would, see `answer`
            wake_ups.fired += 1
            wake_up.set_result(None)
        else:
            wake_ups.fire(wake_up)

    def wake_now(self) -> None:
        """Whoever was woken runs in the next turn of the loop."""
        for wake_up in islice(self.queue, self.woken):
            self._wake_ups.fire_now(wake_up)

    def tell_of_end(self, tell: Callable[[], None]) -> None:
        """Call this when the subscription has ended, once; it must not raise."""
        if self._told_of_end is None:
            self._told_of_end = {}
        self._told_of_end[tell] = None

    def do_not_tell_of_end(self, tell: Callable[[], None]) -> None:
        """Whoever was to be told waits no more."""
        if self._told_of_end is not None:
            self._told_of_end.pop(tell, None)

    def end(self) -> None:
        """The subscription has ended: tell those who wait for that."""
        told = self._told_of_end
        self.forget_who_is_told()
        for tell in told or ():
            tell()

    def forget_who_is_told(self) -> None:
        """The loop has ended, and all who waited with it."""
        self._told_of_end = None

    def is_queued(self) -> bool:
        """Whether a reader was woken whose wake-up has yet to fire."""
        return self.woken > 0 and self.queue[0] in self._wake_ups.due

    def expect(self, tasks: int) -> None:
        """This many tasks will read, whether they have begun or not."""
        self._expected = tasks

    def keep_private(self) -> None:
        """From now on nobody but an observer, an operator or a sink can read."""
        self.private = True

    def note_task(self, task: ref[object]) -> None:
        """This task reads."""
        if task not in self.known:
            self.known = (*(known for known in self.known if known() is not None), task)

    def tasks(self) -> Iterator[object]:
        """The tasks that have read, and exist."""
        return (task for known in self.known if (task := known()) is not None)

    def all_known(self, tasks: int) -> bool:
        """Whether as many tasks as this are all that will read."""
        return tasks >= self._expected
