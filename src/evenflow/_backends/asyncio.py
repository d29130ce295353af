"""asyncio, and whatever runs as an asyncio loop, such as uvloop."""

from __future__ import annotations

import asyncio
import sys
from types import CoroutineType, coroutine
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import proxy

from . import WeaklyKnown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from . import KnownTask


@coroutine
def _turn() -> Generator[None, None, None]:
    """What ``asyncio.sleep(0)`` comes down to: a task that yields nothing goes on one turn later."""
    yield


class AsyncioBackend:
    """The running asyncio loop; see ``Backend``."""

    __slots__ = ()

    running_loop = staticmethod(asyncio.get_running_loop)
    current_task = staticmethod(asyncio.current_task)
    turn = staticmethod(_turn)
    wake_up = staticmethod(asyncio.Future)

    @staticmethod
    def know(task: asyncio.Task[Any], gone: Callable[[object], None], /) -> KnownTask:
        """The task: by its coroutine on Python 3.11, where to ask asyncio is slow."""
        # from 3.12 on an eager task takes its first step inside a step of the task that makes it: both run
        coro = task.get_coro()
        if sys.version_info < (3, 12) and isinstance(coro, CoroutineType):
            return cast("KnownTask", proxy(coro, gone))
        return WeaklyKnown(task, asyncio.current_task)

    @staticmethod
    def call_soon(loop: asyncio.AbstractEventLoop, function: Callable[[], object], /) -> None:
        """Have the loop call this soon, from whatever thread."""
        loop.call_soon_threadsafe(function)

    @staticmethod
    def loop_has_ended(loop: asyncio.AbstractEventLoop, /) -> bool:
        """Whether the loop was closed."""
        return loop.is_closed()

    @staticmethod
    def task_has_ended(task: asyncio.Task[Any], /) -> bool:
        """Whether the task is done."""
        return task.done()

    @staticmethod
    def task_name(task: asyncio.Task[Any], /) -> str:
        """The task's name."""
        return task.get_name()

    @staticmethod
    def times_cancelled(task: asyncio.Task[Any], /) -> int:
        """How often ``task.cancel()`` was called."""
        return task.cancelling()


BACKEND: Final = AsyncioBackend()
