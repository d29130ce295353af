"""A current value, and everybody who wants to know when it changes."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anyio import EndOfStream

from ._options import STALL_AFTER, checked_name
from ._publishing import Publishing
from ._routing import Interest, wanted
from ._subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._mailbox import Mailbox

V = TypeVar("V")

_EVERYTHING = Interest((), None, asks=False)
_WHAT_HOLDS = Interest((), None, asks=True)


def _one_key(_: object) -> str:
    """All values are one thing: the newest replaces what was not read."""
    return "value"


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
        self._changes = Publishing[Any]((object,), checked_name(name) or "state", STALL_AFTER)
        self._subscribed = 0
        self._closed = False
        self._untold: deque[V] = deque()
        """Values that nobody has been told of yet: set by a predicate, while it was asked about the one before."""

    @property
    def value(self) -> V:
        """The value now."""
        return self._value

    def set(self, value: V, /) -> None:
        """Set the value, and tell everybody; waits for nobody.

        The same object, or an equal one, is no change. What ``==`` raises goes out, and nothing has changed.

        Raises:
            SubjectClosed: the state was closed.
            RuntimeError: called from another thread.
        """
        self._changes.check_thread()
        self._changes.check_open()
        if value is self._value or bool(value == self._value):
            return
        self._value = value
        self._untold.append(value)
        if len(self._untold) == 1:
            self._tell()

    def _tell(self) -> None:
        """Tell everybody of each value, in the order in which they were set."""
        try:
            while self._untold:
                self._changes.publish_nowait(self._untold[0])
                self._untold.popleft()
        finally:
            self._untold.clear()

    def update(self, fn: Callable[[V], V], /) -> V:
        """Set the value to ``fn(value)``, and return it.

        Raises: as for ``set``; then ``fn`` was not called.
        """
        self._changes.check_thread()
        self._changes.check_open()
        self.set(fn(self._value))
        return self._value

    def subscribe(self) -> Subscription[V]:
        """The value now, then each newest; a reader that is slow skips to the newest."""
        subscription, box = self._open(None, sys._getframe(1))
        box.put(self._value, "value")
        if self._closed:
            box.finish(EndOfStream)
        else:
            self._changes.add_box(box, _EVERYTHING)
        return subscription

    async def wait_for(self, predicate: Callable[[V], bool], /) -> V:
        """Wait for a value for which ``predicate`` holds; the present one is tried first, then every one that is set.

        ``predicate`` must be quick: it runs in the task that sets. What it raises comes out here.
        Cancelling gives up.

        Raises:
            TypeError: ``predicate`` returned what must be awaited.
            RuntimeError: called from another thread, or from a second live loop.
            anyio.EndOfStream: the state was closed first.
        """
        subscription, box = self._open(predicate, sys._getframe(0))
        async with subscription:
            if self._closed:
                box.finish(EndOfStream)
            else:  # before the first question, which may set the next value
                self._changes.add_box(box, _WHAT_HOLDS)
            value = self._value
            return value if wanted(_WHAT_HOLDS, value, box) else await subscription.receive()

    def close(self) -> None:
        """No more changes: what was not read can still be read, then comes the end; so too for late subscribers."""
        self._changes.close()
        self._closed = True

    def _open(self, where: Any, frame: Any) -> tuple[Subscription[V], Mailbox]:
        self._changes.check_thread()
        conflated = where is None
        box = self._changes.new_box(
            capacity=1, overflow="drop_oldest" if conflated else "drop_newest", conflated=conflated, gaps=False
        )
        self._subscribed += 1
        box.name = f"{self._changes.name}/{self._subscribed}"
        box.place = (frame.f_code.co_filename, frame.f_lineno)
        return Subscription(self._changes, box, where, _one_key if conflated else None), box

    def __repr__(self) -> str:
        return f"<State {self._changes.name} of {self._value!r}{', closed' if self._closed else ''}>"
