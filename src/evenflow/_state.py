"""A current value, and everybody who wants to know when it changes."""

from __future__ import annotations

from collections import deque
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Generic, TypeVar

from ._errors import SubjectClosed, refuses_copying
from ._life import Life
from ._mailbox import UserFunctions
from ._options import STALL_AFTER, checked_name
from ._routing import Interest, is_async, wanted
from ._signatures import caller
from ._subscription import Subscription
from ._threads import call_in_loop

if TYPE_CHECKING:
    from collections.abc import Callable

V = TypeVar("V")

_EVERYTHING = Interest((), None, asks=False)
_WHAT_HOLDS = Interest((), None, asks=True)
_KEY = "value"  # all values are one thing: the newest replaces what was not read


class State(Generic[V]):
    """A value that changes; who subscribes gets the value now, then each newest one.

    Nothing here makes the one who sets it wait: a slow reader skips to the newest value.
    It can be made at import time, and belongs to the loop in which something first waits on it, until that loop ends.

    Args:
        initial: the first value.
        name: for logs, statistics and errors.
    """

    def __init__(self, initial: V, *, name: str | None = None) -> None:
        self._value = initial
        untold: deque[V] = deque()
        self._untold = untold
        """Values that nobody has been told of yet: set by a predicate, while it was asked about the one before."""
        self._life: Life[V] = Life(
            checked_name(name) or "state",
            (object,),
            stall_after=STALL_AFTER,
            loop_ended=lambda _: untold.clear(),  # whoever was telling of a value goes on nowhere
            from_thread="set_from_thread",
        )

    @property
    def value(self) -> V:
        """The value now."""
        return self._value

    def set(self, value: V, /) -> None:
        """Set the value, and tell everybody; waits for nobody.

        The same object, or an equal one, is no change. What ``==`` raises goes out, and nothing has changed.

        Raises:
            SubjectClosed: the state was closed.
            RuntimeError: called from another thread; there use ``set_from_thread``.
        """
        self._check()
        if value is self._value or bool(value == self._value):
            return
        self._value = value
        self._untold.append(value)
        if len(self._untold) == 1:
            self._tell()

    def set_from_thread(self, value: V, /) -> None:
        """Set the value from any thread but the loop's own, to whose loop the state belongs.

        Blocks the thread until the value is set; it never waits for room. Each thread's own order is kept.

        Raises:
            RuntimeError: called in the loop's own thread.
            SubjectClosed: the state was closed, or its loop has ended, before or meanwhile.
            Exception: what ``==`` raised; nothing has changed.
        """
        name, loop = self._life.name, self._life.binding.loop
        if loop is None:  # nobody waits anywhere: any thread may set it
            self.set(value)
            return
        if loop.thread == get_ident() and not loop.has_ended():
            raise RuntimeError(f"set_from_thread was called in the thread of the loop of {name}; there use 'set'")
        call_in_loop(loop, name, partial(self.set, value))

    def _check(self) -> None:
        self._life.binding.check()
        if self._life.is_closed:
            raise SubjectClosed(f"{self._life.name} is closed: its value changes no more; make a new State")

    def _tell(self) -> None:
        """Tell everybody of each value, in the order in which they were set."""
        try:
            while self._untold:
                self._life.delivery.publish_nowait(self._untold[0])
                self._untold.popleft()
        finally:
            self._untold.clear()

    def update(self, fn: Callable[[V], V], /) -> V:
        """Set the value to ``fn(value)``, and return it.

        Raises: as for ``set``; then ``fn`` was not called.
        """
        self._check()
        if not callable(fn) or is_async(fn):
            raise TypeError(f"update takes a plain function of the value, not {fn!r}; set() takes a value")
        self.set(fn(self._value))
        return self._value

    def subscribe(self) -> Subscription[V]:
        """The value now, then each newest; a reader that is slow skips to the newest."""
        life = self._life
        life.check()
        functions = UserFunctions(key=lambda _: _KEY)
        mailbox = life.open(_EVERYTHING, functions, capacity=1, overflow="drop_oldest", created_at=caller())
        life.delivery.give_first(mailbox, self._value, _KEY)
        return Subscription(life, mailbox, functions)

    async def wait_for(self, predicate: Callable[[V], bool], /) -> V:
        """Wait for a value for which ``predicate`` holds; the present one is tried first, then every one that is set.

        ``predicate`` must be quick: it runs in the task that sets. What it raises comes out here.
        Cancelling gives up.

        Raises:
            TypeError: ``predicate`` is no function, or returned what must be awaited.
            RuntimeError: called from another thread, or from a second live loop.
            anyio.EndOfStream: the state was closed first.
        """
        if not callable(predicate):
            raise TypeError(
                f"wait_for takes a function of the value, not {predicate!r}; to wait for this value use"
                f" wait_for(lambda value: value == {predicate!r})"
            )
        life = self._life
        life.check()
        functions = UserFunctions(where=predicate)
        # active before the first question, which may set the next value
        mailbox = life.open(_WHAT_HOLDS, functions, capacity=1, overflow="drop_newest", created_at=caller(1))
        async with Subscription[V](life, mailbox, functions) as values:
            value = self._value
            return value if wanted(_WHAT_HOLDS, value, mailbox) else await values.receive()

    def close(self) -> None:
        """No more changes: what was not read can still be read, then comes the end; so too for late subscribers."""
        self._life.close()

    if not TYPE_CHECKING:
        __reduce_ex__ = refuses_copying("hand on the state itself, or its value")

    def __repr__(self) -> str:
        return f"<State {self._life.name} of {self._value!r}{', closed' if self._life.is_closed else ''}>"
