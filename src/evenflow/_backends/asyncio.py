"""asyncio, and whatever runs as an asyncio loop, such as uvloop."""

from __future__ import annotations

import asyncio
import sys
from types import CoroutineType, coroutine
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import proxy

from . import Backend, WeaklyKnown

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from . import KnownTask


def _know(task: asyncio.Task[Any], gone: Callable[[object], None]) -> KnownTask:
    """Know a task by its coroutine on Python 3.11, where to ask asyncio is slow."""
    # from 3.12 on an eager task takes its first step inside a step of the task that makes it: both run
    coro = task.get_coro()
    if sys.version_info < (3, 12) and isinstance(coro, CoroutineType):
        return cast("KnownTask", proxy(coro, gone))
    return WeaklyKnown(task, asyncio.current_task)


@coroutine
def _turn() -> Generator[None, None, None]:
    """What ``asyncio.sleep(0)`` comes down to: a task that yields nothing goes on one turn later."""
    yield


class FreeTasks:
    """Tasks that are nobody's children, so that they may be started in one task and ended in another."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Nothing needs to be done."""

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]], name: str, over: Callable[[], object]) -> None:
        """Start a task in the present context."""
        task = asyncio.get_running_loop().create_task(work(), name=name)
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled():
                task.exception()  # so that asyncio does not log that nobody looked at it
            over()

        task.add_done_callback(done)

    def check_end(self, what: str) -> None:
        """Any task may end them."""

    async def close(self) -> None:
        """Nothing needs to be done."""


BACKEND: Final = Backend(
    running_loop=asyncio.get_running_loop,
    current_task=asyncio.current_task,
    know=_know,
    turn=cast("Any", _turn),
    time=lambda: asyncio.get_running_loop().time(),
    in_next_turn=lambda function: asyncio.get_running_loop().call_soon(function),
    wake_up=asyncio.Future,
    home=FreeTasks,
    call_soon=lambda loop, function: loop.call_soon_threadsafe(function),
    loop_has_ended=lambda loop: loop.is_closed(),
    task_has_ended=lambda task: task.done(),
    task_name=lambda task: task.get_name(),
    times_cancelled=lambda task: task.cancelling(),
)
