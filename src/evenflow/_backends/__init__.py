"""What the core asks of the library whose loop runs: one file for each library, chosen once for each loop.

anyio answers all of this, but slowly: it describes the current task in 2.4 us, and walks from the running library to
its own back end in 0.5 us, where a delivery costs 0.2 us. So a back end asks the library itself.
A back end is imported when its library is found running, and imports nothing that is not there by then.
Loops and tasks are the library's own objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator


class WakeUp(Protocol):
    """What one reader sleeps on, once: a future, as far as it is needed."""

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


class Home:
    """Where the tasks of one object live; what a library has no need of does nothing."""

    async def open(self) -> None:
        """From now on tasks can be spawned."""

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]], name: str, over: Callable[[], object], /) -> None:
        """Start a task in the present context; ``over`` is called when it has ended, even if it never began."""
        raise NotImplementedError

    def check_end(self, what: str, /) -> None:
        """Refuse, with a ``RuntimeError``, to close it where the library does not allow it here."""

    async def close(self) -> None:
        """All tasks have ended."""


class NotRunning:
    """Nobody's task, which never runs."""

    cr_running: bool = False


NOT_RUNNING: Final = NotRunning()


class WeaklyKnown:
    """A task that the library is asked about each time."""

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


@dataclass(kw_only=True, eq=False, repr=False)  # what is left out would take a millisecond of each import
class Backend:
    """One library."""

    running_loop: Callable[[], object]  # that of this thread; `RuntimeError` where none of this library's runs
    current_task: Callable[[], object | None]  # that of this thread, None in a callback; raises as `running_loop`
    # What tells from now on whether a task is the one that runs, without keeping it alive. When the task is gone, the
    # second argument is called with that, and it must not be asked any more.
    know: Callable[[Any, Callable[[object], None]], KnownTask]
    pending: Callable[[Any], Callable[[], bool]]  # makes what tells, in that task, whether it is being cancelled
    turn: Callable[[], Awaitable[None]]  # lets the loop turn once, when awaited: a checkpoint
    time: Callable[[], float]  # the clock of the loop that runs in this thread, in seconds
    in_next_turn: Callable[[Callable[[], object]], object]  # calls it in the next turn of the loop of this thread
    wake_up: Callable[[], WakeUp]  # makes what a reader sleeps on
    home: Callable[[], Home]  # makes a place for tasks that belong to one object, and not to the task that starts them
    call_soon: Callable[[Any, Callable[[], object]], object]  # from any thread; `RuntimeError` if the loop has ended
    loop_has_ended: Callable[[Any], bool]  # whether it will never run again
    task_has_ended: Callable[[Any], bool]
    task_name: Callable[[Any], str]
    times_cancelled: Callable[[Any], int]  # how often a task was told to end by itself, and not through a scope


def backend_of(loop: object, /) -> Backend:
    """The back end of a running loop."""
    name = "asyncio" if hasattr(loop, "call_soon_threadsafe") else "trio"
    backend: Backend = import_module(f"{__name__}.{name}").BACKEND
    return backend
