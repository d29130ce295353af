"""trio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio

from . import Backend, WeaklyKnown

if TYPE_CHECKING:
    from collections.abc import Generator


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


def _loop_has_ended(loop: trio.lowlevel.TrioToken) -> bool:
    """Whether a run has finished: then it takes nothing more."""
    try:
        loop.run_sync_soon(lambda: None)
    except trio.RunFinishedError:
        return True
    return False


def _task_has_ended(task: trio.lowlevel.Task) -> bool:
    """Whether the task's nursery knows it no more."""
    nursery = task.parent_nursery
    return nursery is not None and task not in nursery.child_tasks


BACKEND: Final = Backend(
    running_loop=trio.lowlevel.current_trio_token,
    current_task=trio.lowlevel.current_task,
    know=lambda task, _: WeaklyKnown(task, trio.lowlevel.current_task),
    turn=trio.lowlevel.checkpoint,
    wake_up=EventWakeUp,
    call_soon=trio.lowlevel.TrioToken.run_sync_soon,
    loop_has_ended=_loop_has_ended,
    task_has_ended=_task_has_ended,
    task_name=lambda task: str(task.name),
    times_cancelled=lambda _: 0,  # in trio everything is cancelled through a scope
)
