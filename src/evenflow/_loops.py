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
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any
from weakref import ref

from anyio import NoEventLoopError, get_current_task
from anyio.lowlevel import EventLoopToken, checkpoint, current_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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

    __slots__ = (
        "_cancelled_at",
        "_checkpoint",
        "_last",
        "current",
        "known",
        "native",
        "pending",
        "running",
        "thread",
        "token",
    )

    def __init__(self) -> None:
        self.token: EventLoopToken = current_token()
        self.native: Any = self.token.native_token
        self.thread: int = get_ident()
        # the same call that anyio makes, without its walk to it
        self._cancelled_at: Callable[[], float] = self.token.backend_class.current_effective_deadline
        self.running: Callable[[], object]
        self.current: Callable[[], Any]
        """The task that runs in this loop, or None; ask it in this loop's thread."""
        if hasattr(self.native, "call_soon_threadsafe"):
            asyncio = sys.modules["asyncio"]
            self.running = asyncio.get_running_loop
            self.current = partial(asyncio.current_task, self.native)
        else:
            lowlevel = sys.modules["trio"].lowlevel
            self.running = lowlevel.current_trio_token
            self.current = partial(_current_task_in_trio, lowlevel, self.native)
        self._checkpoint: Callable[[], Awaitable[None]] = self.token.backend_class.checkpoint
        self._last: Callable[[], object] = nobody
        """The task that asked last whether it is cancelled."""
        self.known: Callable[[], object] = nobody
        """The last task that asked twice in a row, about whom `pending` answers."""
        self.pending: Callable[[], bool] = bool

    def is_here(self) -> bool:
        """Whether this very loop runs in the calling thread."""
        try:
            return self.running() is self.native
        except RuntimeError:
            return False

    def is_cancelled(self, task: Any) -> bool:
        """Whether the scope of ``task``, which runs here and now, is cancelled, or the task itself.

        A description of the task answers in 0.2 us, and takes 2.4 us to make: it is made for one that asks again.
        """
        if task is None:  # a callback of the loop: in no scope
            return False
        if task is self.known():
            return self.pending()
        if task is self._last() or was_cancelled(task):
            self.known, self.pending = ref(task), get_current_task().has_pending_cancellation
            return self.pending()
        self._last = ref(task)
        return self._cancelled_at() == -math.inf

    def turn(self) -> Awaitable[None]:
        """Let this loop turn once, when awaited. A checkpoint."""
        TURNS.given = TURNS.taken = 0
        return self._checkpoint()

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


def was_cancelled(task: Any) -> bool:
    """Whether a task was told to end by itself, and not through a scope (asyncio's ``task.cancel()``)."""
    return hasattr(task, "cancelling") and bool(task.cancelling())


def nobody() -> object:
    """The task of nobody: it is no task, and not None either."""
    return nobody


def _current_task_in_trio(lowlevel: Any, token: object) -> object | None:
    try:
        return lowlevel.current_task() if lowlevel.current_trio_token() is token else None
    except RuntimeError:  # no trio run in this thread
        return None


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
