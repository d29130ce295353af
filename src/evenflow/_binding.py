"""Which event loop a subject belongs to: the one in which something first waits on it, until that loop ends."""

from __future__ import annotations

from threading import get_ident
from typing import TYPE_CHECKING

from ._loop import RunningLoop, running_loop, running_loop_or_none

if TYPE_CHECKING:
    from collections.abc import Callable


class LoopBinding:
    """The loop of one life of a subject."""

    __slots__ = ("_from_thread", "_loop_ended", "_name", "loop")

    def __init__(self, name: str, loop_ended: Callable[[], None], from_thread: str = "publish_from_thread") -> None:
        self._name = name
        self._loop_ended = loop_ended
        self._from_thread = from_thread
        self.loop: RunningLoop | None = None  # None before something waits, and after that loop has ended

    def bind(self) -> RunningLoop:
        """Belong to the running loop from now on, unless another live one owns this subject; returns the loop."""
        self.check()
        if self.loop is None:
            self.loop = running_loop()
        return self.loop

    def belong_to(self, loop: RunningLoop) -> None:
        """Belong to this loop, which may pause just now: a host may add observers from outside its coroutines."""
        self.loop = loop

    def release(self) -> None:
        """Belong to no loop: nothing waits here any more."""
        self.loop = None

    def here(self) -> RunningLoop | None:
        """The loop that runs here, bound or not; None outside a loop, also while the one it belongs to pauses."""
        loop = self.loop
        if loop is not None and loop.is_here():
            return loop
        self.check()
        return running_loop_or_none()

    def check(self) -> None:
        """Refuse, with a ``RuntimeError``, a call from a foreign thread, or from a second live loop."""
        loop = self.loop
        if loop is None or loop.is_here():
            return
        if loop.has_ended():
            self.loop = None
            self._loop_ended()
        elif loop.thread != get_ident():
            raise RuntimeError(
                f"{self._name} belongs to an event loop in another thread; from here use only {self._from_thread}"
            )
        elif running_loop_or_none() is not None:
            raise RuntimeError(
                f"{self._name} belongs to another event loop that has not ended;"
                " make a subject for each loop, or end that one first"
            )
