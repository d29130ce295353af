"""What the core asks of the library whose loop runs: one file for each library, chosen once for each loop.

anyio answers all of this, but slowly: it describes the current task in 2.4 us, and walks from the running library to
its own back end in 0.5 us, where a delivery costs 0.2 us. So a back end asks the library itself.
A back end is imported when its library is found running, and imports nothing that is not there by then.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator


class WakeUp(Protocol):
    """What one reader sleeps on, once."""

    def done(self) -> bool:
        """Whether it has fired, or its sleeper was cancelled."""
        ...

    def set_result(self, result: None, /) -> None:
        """Fire it, once."""
        ...

    def __await__(self) -> Generator[Any, Any, None]: ...


class KnownTask(Protocol):
    """A task, as far as it must be known whether it is the one that runs: its coroutine, or what answers like one.

    To ask a coroutine takes 30 ns; to ask asyncio for the current task takes 150 ns on Python 3.11.
    """

    @property
    def cr_running(self) -> bool:
        """Whether it runs, asked in the thread of its loop."""
        ...


class NotRunning:
    """Nobody's task, which never runs."""

    __slots__ = ()
    cr_running: Final = False


NOT_RUNNING: Final = NotRunning()


class WeaklyKnown:
    """A task that is asked of the library each time."""

    __slots__ = ("_current_task", "_task")

    def __init__(self, task: object, current_task: Callable[[], object | None]) -> None:
        self._task = ref(task)
        self._current_task = current_task

    @property
    def cr_running(self) -> bool:
        """Whether it is the task that runs."""
        task = self._task()
        try:
            return task is not None and task is self._current_task()
        except RuntimeError:  # another library's loop runs here, or none
            return False


class Backend(Protocol):
    """One library, as the core knows it. Loops and tasks are the library's own objects."""

    def running_loop(self) -> object:
        """The loop that runs in this thread.

        Raises:
            RuntimeError: none of this library's does.
        """
        ...

    def current_task(self) -> object | None:
        """The task that runs in this thread; None in a callback of the loop.

        Raises:
            RuntimeError: no loop of this library runs in this thread.
        """
        ...

    def know(self, task: Any, gone: Callable[[object], None], /) -> KnownTask:
        """What tells from now on whether this task is the one that runs; does not keep it alive.

        When the task is gone, ``gone`` is called with it, and it must not be asked any more.
        """
        ...

    def turn(self) -> Awaitable[None]:
        """Let the loop turn once, when awaited: a checkpoint."""
        ...

    def wake_up(self) -> WakeUp:
        """Make what a reader sleeps on."""
        ...

    def call_soon(self, loop: Any, function: Callable[[], object], /) -> None:
        """Have the loop call ``function`` soon, from whatever thread; it must not raise.

        Raises:
            RuntimeError: the loop has ended.
        """
        ...

    def loop_has_ended(self, loop: Any, /) -> bool:
        """Whether this loop will never run again."""
        ...

    def task_has_ended(self, task: Any, /) -> bool:
        """Whether this task will never run again."""
        ...

    def task_name(self, task: Any, /) -> str:
        """What a person calls this task."""
        ...

    def times_cancelled(self, task: Any, /) -> int:
        """How often this task was told to end by itself, and not through a scope."""
        ...


def backend_of(loop: object, /) -> Backend:
    """The back end of a running loop."""
    name = "asyncio" if hasattr(loop, "call_soon_threadsafe") else "trio"
    return cast("Backend", import_module(f"{__name__}.{name}").BACKEND)
