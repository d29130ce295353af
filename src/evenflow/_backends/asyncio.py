"""asyncio, and whatever runs as an asyncio loop, such as uvloop."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from importlib import import_module
from operator import attrgetter
from types import CoroutineType, coroutine
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import proxy, ref

import anyio

from . import Backend, Home, WeaklyKnown

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from . import KnownTask


def _anyios_own() -> Any:
    """What finds anyio's state of a task, if this version of anyio keeps it as it is read here; else None."""
    with suppress(ImportError, AttributeError):
        found: Any = import_module("anyio._backends._asyncio")
        attrgetter("_cancel_called", "_shield", "_parent_scope")(found.CancelScope())
        return found._task_states.data.get
    return None


_STATE_OF: Final[Any] = _anyios_own()


def _know(task: asyncio.Task[Any], gone: Callable[[object], None]) -> KnownTask:
    """Know a task by its coroutine on Python 3.11, where to ask asyncio is slow."""
    # from 3.12 on an eager task takes its first step inside a step of the task that makes it: both run
    coro = task.get_coro()
    if sys.version_info < (3, 12) and isinstance(coro, CoroutineType):
        return cast("KnownTask", proxy(coro, gone))
    return WeaklyKnown(task, asyncio.current_task)


def _pending(task: asyncio.Task[Any]) -> Callable[[], bool]:
    """What anyio's own answer reads, read in one frame; where a version of anyio does not have that, it is asked."""
    if (state_of := _STATE_OF) is None:
        description = anyio.get_current_task()
        del description.coro  # or the description would keep the task's frame alive
        return description.has_pending_cancellation
    known = cast("Callable[[], Any]", ref(task))  # to ask anyio would make a publish to one a fifth dearer

    def is_pending() -> bool:
        if (state := state_of(known)) is not None:
            scope: Any = state.cancel_scope
            while scope is not None:
                if scope._cancel_called:
                    return True
                scope = None if scope._shield else scope._parent_scope
        pending: bool = known()._must_cancel
        return pending

    return is_pending


@coroutine
def _turn() -> Generator[None, None, None]:
    """What ``asyncio.sleep(0)`` comes down to: a task that yields nothing goes on one turn later."""
    yield


class FreeTasks(Home):
    """Tasks that are nobody's children, so that they may be started in one task and ended in another."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: Callable[[], asyncio.AbstractEventLoop | None] = asyncio.get_running_loop

    async def open(self) -> None:
        """Note the loop, in which a task may be started while it pauses: between two ``run_until_complete``."""
        self._loop = ref(asyncio.get_running_loop())

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]], name: str, over: Callable[[], object]) -> None:
        """Start a task in the present context."""
        loop = self._loop()
        assert loop is not None, "the loop is gone"
        task = loop.create_task(work(), name=name)
        self._tasks.add(task)

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled():
                task.exception()  # so that asyncio does not log that nobody looked at it
            over()

        task.add_done_callback(done)


BACKEND: Final = Backend(
    running_loop=asyncio.get_running_loop,
    current_task=asyncio.current_task,
    know=_know,
    pending=_pending,
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
