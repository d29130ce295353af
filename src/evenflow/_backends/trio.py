"""trio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio

from . import WeaklyKnown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from . import KnownTask


class TrioBackend:
    """The running trio loop; see ``Backend``."""

    __slots__ = ()

    running_loop = staticmethod(trio.lowlevel.current_trio_token)
    current_task = staticmethod(trio.lowlevel.current_task)

    @staticmethod
    def know(task: trio.lowlevel.Task, _: Callable[[object], None], /) -> KnownTask:
        """The task, asked of trio each time."""
        return WeaklyKnown(task, trio.lowlevel.current_task)

    @staticmethod
    def turn() -> Awaitable[None]:
        """Let the loop turn once."""
        return trio.lowlevel.checkpoint()

    @staticmethod
    def wake_up() -> EventWakeUp:
        """Make what a reader sleeps on."""
        return EventWakeUp()

    @staticmethod
    def call_soon(loop: trio.lowlevel.TrioToken, function: Callable[[], object], /) -> None:
        """Have the loop call this soon, from whatever thread."""
        loop.run_sync_soon(function)

    @staticmethod
    def loop_has_ended(loop: trio.lowlevel.TrioToken, /) -> bool:
        """Whether the run has finished: then it takes nothing more."""
        try:
            loop.run_sync_soon(_nothing)
        except trio.RunFinishedError:
            return True
        return False

    @staticmethod
    def task_has_ended(task: trio.lowlevel.Task, /) -> bool:
        """Whether the task's nursery knows it no more."""
        nursery = task.parent_nursery
        return nursery is not None and task not in nursery.child_tasks

    @staticmethod
    def task_name(task: trio.lowlevel.Task, /) -> str:
        """The task's name."""
        return str(task.name)

    @staticmethod
    def times_cancelled(_: trio.lowlevel.Task, /) -> int:
        """Never: in trio everything is cancelled through a scope."""
        return 0


class EventWakeUp:
    """A wake-up, where the library has no futures."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = trio.Event()

    def done(self) -> bool:
        """Whether it has fired."""
        return self._event.is_set()

    def set_result(self, _: None, /) -> None:
        """Fire it."""
        self._event.set()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._event.wait().__await__()


def _nothing() -> None:
    """What a loop is asked to do, to hear whether it still does anything."""


BACKEND: Final = TrioBackend()
