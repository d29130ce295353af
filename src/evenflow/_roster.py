"""The subscriptions of a subject: coming, going, and the loop that all of it belongs to.

A subscription is a mailbox here; nothing here keeps the subscription itself, its `where` or its `conflate` alive.
A destructor may run at any moment: while our own tables are worked on (`_busy`), it only leaves a note.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import count
from threading import get_ident
from typing import TYPE_CHECKING, Final
from weakref import ref

import anyio
from anyio import ClosedResourceError, EndOfStream

from ._admission import Admission
from ._credit import Credit
from ._deadlock import forget_waiting
from ._errors import SubjectClosed
from ._loops import Home, current_task, home_or_none, was_cancelled
from ._mailbox import Mailbox
from ._readers import Wakes
from ._routing import Router
from ._turns import turns_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._history import History
    from ._mailbox import Overflow
    from ._routing import Interest, Route

_numbers = count(1)

FREE: Final = 0
ASKING: Final = 1
COMMITTING: Final = 2


class EachPublish:
    """What each publish looks at, side by side: a subject has too many attributes for Python to keep them together."""

    __slots__ = ("_busy", "_careful", "_credit", "_home", "_notes")


class Roster(EachPublish):
    """Who is subscribed, for one life of a subject after another."""

    def __init__(self, types: tuple[type, ...], name: str | None, stall_after: float) -> None:
        self._types = types
        self._name = name or f"subject-{next(_numbers)}"
        self._stall_after = stall_after
        self._history: History | None = None
        self._keyed = False
        """Whether what is kept is kept by key."""
        self._notes: deque[Callable[[], None]] = deque()
        """What a destructor, or another thread, could not do at once."""
        self._home: Home | None = None
        self._wakes = Wakes()
        self._watchers: list[Callable[[Mailbox | None], None]] = []
        """Who wants to be told of every take; they outlive a life, for what they watch does."""
        self._busy: int = FREE
        """ASKING: our own tables are being worked on, or users are asked; a destructor only leaves a note (`_notes`).
        COMMITTING: an event is being given to everybody; nothing else happens.
        """
        self._closed = False
        self._end: BaseException | type[BaseException] | None = None
        self._life = 0
        self._begin()

    def _begin(self) -> None:
        """Begin a life: nobody subscribed, nothing published."""
        self._life += 1
        self._router: Router[Mailbox] = Router(self._types)
        self._routes: dict[type, Route[Mailbox]] = {}
        """The routes of the classes seen so far; empty once the subject is closed."""
        self._boxes: dict[Mailbox, Interest] = {}
        """The active subscriptions, in the order in which they came."""
        self._serial = 0
        """The number of the last one that came."""
        self._careful: set[Mailbox] = set()
        self._credit = Credit(self._careful)
        self._wakes.turns = self._credit.turns
        self._admission = Admission(self._on_take)
        self._published: int = 0
        self._deliveries: int = 0
        self._closed = False
        self._end = None

    @property
    def name(self) -> str:
        """The name it was given, or one that was made up."""
        return self._name

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more events."""
        return self._closed

    def add_box(self, box: Mailbox, interest: Interest) -> None:
        """A subscription begins."""
        if self._busy == COMMITTING:  # a destructor's doing, in the middle of a commit: after it
            self._notes.append(partial(self.add_box, box, interest))
            return
        if box.end is not None:
            return
        busy, self._busy = self._busy, ASKING
        try:
            self._serial += 1
            box.serial = self._serial
            self._boxes[box] = interest
            self._credit.end()
            self._router.add(box, interest)
        finally:
            self._busy = busy

    def new_box(self, *, capacity: int, overflow: Overflow, conflated: bool, gaps: bool) -> Mailbox:
        """A mailbox of this subject, not yet active."""
        return Mailbox(
            capacity=capacity,
            overflow=overflow,
            conflated=conflated,
            gaps=gaps,
            careful=self._careful,
            credit=ref(self._credit),
            wakes=self._wakes,
        )

    def detach(self, box: Mailbox, end: BaseException | type[BaseException], *, discard: bool = True) -> None:
        """End a subscription; what is buffered is discarded, or can still be read."""
        self.check_thread()
        self._let_go(box, end, discard=discard)

    def _let_go(self, box: Mailbox, end: BaseException | type[BaseException], *, discard: bool) -> None:
        if self._busy == COMMITTING:
            self._notes.append(partial(self._let_go, box, end, discard=discard))
            return
        busy, self._busy = self._busy, ASKING
        try:
            self._credit.end()
            rest: list[object] = []
            if discard:
                rest = box.discard(end)
            else:
                box.finish(end)
            self._careful.discard(box)
            if self._boxes.pop(box, None) is not None:
                self._router.remove(box)
            self._admission.gone(box)
            for watcher in tuple(self._watchers):
                watcher(box)
        finally:
            self._busy = busy
        del rest  # only now may the events' own destructors run

    def forget(self, box: Mailbox) -> None:
        """A subscription was let go by its last reference, perhaps in another thread or during a commit."""
        home = self._home
        elsewhere = home is not None and home.thread != get_ident()
        if not elsewhere and not self._busy:
            self._let_go(box, ClosedResourceError, discard=True)
            return
        self._notes.append(partial(self._let_go, box, ClosedResourceError, discard=True))
        if home is not None:
            with suppress(RuntimeError):  # the loop has ended: the next publish does it
                home.call_soon(self._do_notes)

    def _do_notes(self) -> None:
        """Do what could not be done at once."""
        while self._notes and not self._busy:
            self._notes.popleft()()

    def close(self, error: BaseException | None = None) -> None:
        """Take no more events; what is buffered is still delivered, then comes the end, or ``error``."""
        self.check_thread()
        if error is not None and not isinstance(error, BaseException):
            raise TypeError(f"close takes an exception for those who read, or nothing, not {error!r}")
        if self._busy == COMMITTING:
            self._notes.append(partial(self.close, error))
            return
        if self._closed:
            return
        busy, self._busy = self._busy, ASKING
        try:
            self._credit.end()
            self._closed = True
            self._end = error
            self._routes = {}
            for box in tuple(self._boxes):
                box.finish(error or EndOfStream)
            for waiter in self._admission.queue:
                waiter.rouse()
            for watcher in tuple(self._watchers):
                watcher(None)
        finally:
            self._busy = busy

    def check_open(self, life: int | None = None) -> None:
        """Refuse to go on with a subject that was closed, or entered anew since.

        Raises:
            SubjectClosed: it takes no more events.
        """
        if self._closed or (life is not None and life != self._life):
            raise SubjectClosed(f"{self._name} is closed: it takes no more events; enter it again to open it anew")

    def wants_of(self, box: Mailbox) -> str:
        """What a subscription wants, in words."""
        interest = self._boxes.get(box)
        return "nothing more" if interest is None else str(interest)

    # ------------------------------------------------------------------ where we are

    def settle(self) -> Home:
        """Belong to the running loop from now on, unless another live one owns this subject; returns the loop."""
        self.check_thread()
        if self._home is None:
            self._home = Home()
            self._count_here()
        return self._home

    def check_thread(self) -> None:
        """Refuse a call from a foreign thread, or from a second live loop.

        Raises:
            RuntimeError: the message names the way out.
        """
        home = self._home
        if home is None:
            self._count_here()
            return
        if home.is_here():
            return
        if home.has_ended():
            self._leave_home()
            self._count_here()
            return
        if home.thread != get_ident():
            raise RuntimeError(
                f"{self._name} belongs to an event loop in another thread; from here use only publish_from_thread"
            )
        if home_or_none() is not None:
            raise RuntimeError(
                f"{self._name} belongs to another event loop that has not ended;"
                " make a subject for each loop, or end that one first"
            )

    def _count_here(self) -> None:
        """Count deliveries towards the turn of the loop that runs in this thread."""
        if self._credit.turns is not (turns := turns_here()):
            self._credit.move(turns)
            self._wakes.turns = turns

    def _leave_home(self) -> None:
        """The loop has ended: whoever waited there waits no more."""
        self._home = None
        self._credit.end()
        forget_waiting(self._admission.queue)
        self._admission.abandon()
        self._admission = Admission(self._on_take)
        self._watchers = []
        self._wakes.forget()
        for box in self._boxes:
            box.forget_readers()
            box.reserved = 0
            box.on_take = None

    def is_cancelled(self) -> bool:
        """Whether the calling task is being cancelled, or the scope that it is in."""
        home = self._home
        if home is not None and home.thread == get_ident():
            if home.known.cr_running:
                return home.pending()
            if (task := home.current()) is not None:
                return home.is_cancelled(task)
        if was_cancelled(current_task()):
            return anyio.get_current_task().has_pending_cancellation()
        return anyio.current_effective_deadline() == -math.inf

    def _on_take(self, box: Mailbox) -> None:
        """A reader has taken an event from a mailbox that somebody waits for."""
        raise NotImplementedError
