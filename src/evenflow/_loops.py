"""Which event loop is running, which task, and when the loop should turn.

anyio answers all of this, but slowly: its description of the current task costs some 2 us and the
walk from the running library to its back end another 0.5 us, where a delivery costs 0.25 us.
So the answers that a publish or a receive needs each time are asked of the running library itself
(docs/decisions/0003-asking-the-running-library.md).
Nothing is imported for it: a library that runs is in ``sys.modules``.

    Home           the loop that a subject belongs to
    TURNS          deliveries since the loop last turned, over all subjects
"""

from __future__ import annotations

import math
import sys
from threading import get_ident
from typing import TYPE_CHECKING, Any

from anyio import NoEventLoopError
from anyio.lowlevel import checkpoint, current_token

if TYPE_CHECKING:
    from collections.abc import Callable

DELIVERIES_A_TURN = 12_288
"""After so many deliveries a publish or a receive lets the loop turn (about a millisecond)."""


class Turns:
    """Deliveries since the loop last turned: events given to mailboxes, and events taken out of them."""

    __slots__ = ("given", "taken")

    def __init__(self) -> None:
        self.given = self.taken = 0

    async def turn(self) -> None:
        """Let the loop turn once. A checkpoint."""
        self.given = self.taken = 0
        await checkpoint()


TURNS = Turns()


class Home:
    """The loop that a subject belongs to: found by asking where we run.

    Raises:
        anyio.NoEventLoopError: no loop runs in this thread.
    """

    __slots__ = ("cancelled_at", "native", "running", "thread", "token")

    def __init__(self) -> None:
        self.token = current_token()
        self.native: Any = self.token.native_token
        self.thread = get_ident()
        # the same call that anyio makes, without its walk to it
        self.cancelled_at: Callable[[], float] = self.token.backend_class.current_effective_deadline
        self.running: Callable[[], object] = (
            sys.modules["asyncio"].get_running_loop
            if hasattr(self.native, "call_soon_threadsafe")
            else sys.modules["trio"].lowlevel.current_trio_token
        )

    def is_here(self) -> bool:
        """Whether this very loop runs in the calling thread."""
        try:
            return self.running() is self.native
        except RuntimeError:
            return False

    def has_ended(self) -> bool:
        """Whether this loop will never run again."""
        try:
            if hasattr(self.native, "is_closed"):
                return bool(self.native.is_closed())
            self.native.run_sync_soon(_nothing)
        except RuntimeError:  # trio says so of a run that has finished
            return True
        return False

    def call_soon(self, function: Callable[[], object]) -> None:
        """Have the loop call ``function`` soon, from whatever thread; it must not raise.

        Raises:
            RuntimeError: the loop has ended.
        """
        if hasattr(self.native, "call_soon_threadsafe"):
            self.native.call_soon_threadsafe(function)
        else:
            self.native.run_sync_soon(function)


def _nothing() -> None:
    """What a loop is asked to do, to hear whether it still does anything."""


def home_or_none() -> Home | None:
    """The running loop, or None where none runs in this thread."""
    try:
        return Home()
    except NoEventLoopError:
        return None


def current_task() -> object | None:
    """The task that runs, or None outside a task."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        try:
            if (task := asyncio.current_task()) is not None:
                return task  # type: ignore[no-any-return]  # found at run time, so untyped
        except RuntimeError:  # no asyncio loop runs in this thread
            pass
    trio = sys.modules.get("trio")
    if trio is not None:
        try:
            return trio.lowlevel.current_task()  # type: ignore[no-any-return]  # as above
        except RuntimeError:  # no trio run either
            pass
    return None


def task_has_ended(task: Any) -> bool:
    """Whether a task will never run again."""
    if hasattr(task, "done"):
        return bool(task.done())
    nursery = task.parent_nursery
    return nursery is not None and task not in nursery.child_tasks


def task_name(task: Any) -> str:
    """What a person calls this task."""
    name = getattr(task, "name", None)
    return str(name if isinstance(name, str) else task.get_name())


CANCELLED = -math.inf
"""What ``Home.cancelled_at`` answers inside a cancelled scope."""
