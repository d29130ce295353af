"""Which event loop is running, which task, and what a task sleeps on.

anyio answers all of this, but slowly: its description of the current task costs some 2 us and the
walk from the running library to its back end another 0.5 us, where a delivery costs 0.25 us.
So the answers that a publish or a receive needs each time are asked of the running library itself
(docs/decisions/0003-asking-the-running-library.md).
Nothing is imported for it: a library that runs is in ``sys.modules``.

    Home           the loop that a subject belongs to
    Known          a task, as far as it must be known whether it is the one that runs
    Bell           what a reader sleeps on
"""

from __future__ import annotations

import math
import sys
from contextlib import suppress
from functools import partial
from threading import get_ident
from types import coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import proxy, ref

from anyio import Event, NoEventLoopError, get_current_task
from anyio.lowlevel import EventLoopToken, current_token

from ._turns import Turns, turns_here

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator


class Bell(Protocol):
    """What one reader sleeps on, once: a future of the running loop, as far as it is needed."""

    def done(self) -> bool:
        """Whether it has rung, or its sleeper was cancelled."""
        ...

    def set_result(self, result: None, /) -> None:
        """Ring it, once."""
        ...

    def __await__(self) -> Generator[Any, Any, None]: ...


class Known(Protocol):
    """A task, as far as it must be known whether it is the one that runs: its coroutine, or what answers like one."""

    @property
    def cr_running(self) -> bool:
        """Whether it runs, asked in the thread of its loop."""
        ...


class Home:
    """The loop that a subject belongs to: found by asking where we run.

    Raises:
        anyio.NoEventLoopError: no loop runs in this thread.
    """

    __slots__ = (
        "__weakref__",
        "_cancelled_at",
        "_last",
        "_one_step_at_a_time",
        "bell",
        "current",
        "known",
        "native",
        "pause",
        "pending",
        "running",
        "thread",
        "turns",
    )

    def __init__(self) -> None:
        token: EventLoopToken = current_token()
        self.native: Any = token.native_token
        self.thread: int = get_ident()
        self.turns: Turns = turns_here()
        # the same call that anyio makes, without its walk to it
        self._cancelled_at: Callable[[], float] = token.backend_class.current_effective_deadline
        self.running: Callable[[], object]
        self.current: Callable[[], Any]
        """The task that runs in this loop, or None; ask it in this loop's thread."""
        self.pause: Callable[[], Awaitable[None]]
        """Waits for one turn of the loop; a checkpoint. ``turn`` begins the counting anew as well."""
        self.bell: Callable[[], Bell]
        """Makes what a reader sleeps on."""
        self._one_step_at_a_time: bool
        """Whether a task of which the coroutine runs is surely the one that runs."""
        native: Any = self.native
        if hasattr(native, "call_soon_threadsafe"):
            asyncio = sys.modules["asyncio"]
            self.running = asyncio.get_running_loop
            self.current = partial(asyncio.current_task, self.native)
            self.pause = _pause_in_asyncio  # type: ignore[assignment]  # mypy does not know `types.coroutine`
            self.bell = native.create_future
            # from 3.12 on an eager task takes its first step inside a step of the task that makes it
            self._one_step_at_a_time = sys.version_info < (3, 12)
        else:
            lowlevel = sys.modules["trio"].lowlevel
            self.running = lowlevel.current_trio_token
            self.current = partial(_current_task_in_trio, lowlevel, self.native)
            self.pause = token.backend_class.checkpoint
            self.bell = _EventBell
            self._one_step_at_a_time = True
        self._last: Callable[[], object] = nobody
        """The task that asked last whether it is cancelled."""
        self.known: Known = NOT_RUNNING
        """The last task that asked twice in a row: while it runs, `pending` answers."""
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
        if self.known.cr_running:
            return self.pending()
        if task is self._last() or was_cancelled(task):
            description = get_current_task()
            self.known = self.known_by(task, description.coro, self, "known")
            description.coro = None  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue] -- or it would keep the task's frame
            self.pending = description.has_pending_cancellation
            return self.pending()
        self._last = ref(task)
        return self._cancelled_at() == -math.inf

    def known_by(self, task: object, coro: object, owner: object, name: str) -> Known:
        """Tells, from now on, whether the task runs; ``coro`` is its coroutine, which is not kept alive.

        When that is gone, the attribute of this ``name`` that ``owner`` has is ``NOT_RUNNING`` again.
        """
        if self._one_step_at_a_time and hasattr(coro, "cr_running"):
            with suppress(TypeError):  # a coroutine of a kind that cannot be known weakly
                known: Known = proxy(coro, partial(_forget, ref(owner), name))
                return known
        return _KnownTask(self.current, task)

    def turn(self) -> Awaitable[None]:
        """Let this loop turn once, when awaited. A checkpoint."""
        self.turns.begin()
        return self.pause()

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


class _KnownTask:
    """A task whose coroutine does not tell whether the task is the one that runs."""

    __slots__ = ("_current", "_task")

    def __init__(self, current: Callable[[], object], task: object) -> None:
        self._current = current
        self._task = ref(task)

    @property
    def cr_running(self) -> bool:
        task = self._task()
        return task is not None and task is self._current()


class _NotRunning:
    """Nobody's task, which never runs."""

    __slots__ = ()

    @property
    def cr_running(self) -> bool:
        return False


NOT_RUNNING: Final = _NotRunning()
"""The task that is known where none is."""


def _forget(owner: ref[object], name: str, gone: object) -> None:
    """The coroutine is gone by which somebody knew a task."""
    knowing = owner()
    if knowing is not None and getattr(knowing, name) is gone:
        setattr(knowing, name, NOT_RUNNING)


class _EventBell:
    """A bell where the running library has no futures."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = Event()

    def done(self) -> bool:
        return self._event.is_set()

    def set_result(self, _: None, /) -> None:
        self._event.set()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._event.wait().__await__()


@coroutine
def _pause_in_asyncio() -> Generator[None, None, None]:
    """What ``asyncio.sleep(0)``, anyio's checkpoint, comes down to: a task that yields nothing goes on a turn later."""
    yield


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


def coroutine_of(task: Any) -> object:
    """What a task runs."""
    return task.get_coro() if hasattr(task, "get_coro") else task.coro


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
