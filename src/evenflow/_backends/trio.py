"""trio."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import trio

from . import Backend, Home, WeaklyKnown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator


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


class Children(Home):
    """Tasks in a nursery of the task that opens it, which is the only one that may close it."""

    def __init__(self) -> None:
        self._manager = trio.open_nursery()
        self._nursery: trio.Nursery | None = None

    async def open(self) -> None:
        """Open the nursery."""
        self._nursery = await self._manager.__aenter__()

    def spawn(self, work: Callable[[], Awaitable[object]], name: str, over: Callable[[], object]) -> None:
        """Start a task in the present context."""
        assert self._nursery is not None

        async def child() -> None:
            try:
                await work()
            except trio.Cancelled:  # noqa: ASYNC103 -- the scope that was cancelled is its own
                pass  # From outside: the task that opened this meets it too, and in no group.
            finally:
                over()

        self._nursery.start_soon(child, name=name)

    def check_end(self, what: str) -> None:
        """Refuse to close the nursery in another task, or before a nursery or a cancel scope that was opened in it."""
        nursery, task = self._nursery, trio.lowlevel.current_task()
        if nursery is None:
            return
        if task is not nursery.parent_task:
            raise RuntimeError(
                f"{what} was entered in task {nursery.parent_task.name!r} and is left in {task.name!r}, which trio does"
                " not allow; enter and leave it in one task, with 'async with', or run on asyncio"
            )
        if task.child_nurseries[-1] is not nursery:
            raise RuntimeError(
                f"{what} is left before something that was entered after it, which trio does not allow; leave what was"
                " entered last first, with nested 'async with', or run on asyncio"
            )
        if _is_in_a_scope_of(nursery, task):
            raise RuntimeError(
                f"{what} is left inside a cancel scope (a time limit) that was opened after it was entered, which trio"
                " does not allow; open the scope before, around both, and set its deadline when it is to count, or run"
                " on asyncio"
            )

    async def close(self) -> None:
        """Close the nursery, which is empty."""
        await self._manager.__aexit__(None, None, None)


def _is_in_a_scope_of(nursery: trio.Nursery, task: trio.lowlevel.Task) -> bool:
    """Whether the task is in a cancel scope that it opened after the nursery.

    trio says so only when the nursery is closed, and then its own order is broken.
    """
    # private, as trio has no public name for it: where a release has another, trio's own words are what is left
    ours, innermost = getattr(nursery, "_cancel_status", None), getattr(task, "_cancel_status", None)
    return ours is not innermost and bool(getattr(ours, "encloses", _never)(innermost))


def _never(_: object) -> bool:
    return False


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
    pending=lambda _: lambda: trio.current_effective_deadline() == -math.inf,
    turn=trio.lowlevel.checkpoint,
    time=trio.current_time,
    in_next_turn=lambda function: trio.lowlevel.current_trio_token().run_sync_soon(function),
    wake_up=EventWakeUp,
    home=Children,
    call_soon=trio.lowlevel.TrioToken.run_sync_soon,
    loop_has_ended=_loop_has_ended,
    task_has_ended=_task_has_ended,
    task_name=lambda task: str(task.name),
    times_cancelled=lambda _: 0,  # in trio everything is cancelled through a scope
)
