"""The events that one observer has in hand: taken, and not handled yet.

Rule 1: each event is handled in a copy of a context of its own: the subject's, or its publisher's.
Rule 2: with ``ordered_by``, events of one key are handled one after another, in order; others pass them by.
Rule 3: at most ``capacity`` events wait behind others of their key, and the last that each task took; then none takes
        more.
Rule 4: what was begun and cut off, or never begun, is kept for ``Observer.unhandled``.
"""

from __future__ import annotations

from collections import deque
from contextvars import Context, copy_context
from functools import partial
from inspect import isawaitable
from types import CoroutineType, coroutine
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ref

from anyio import Event, get_cancelled_exc_class

from ._buffer import hashed
from ._mailbox import Carried

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator

    from ._loop import RunningLoop

    Handled: TypeAlias = Coroutine[Any, Any, Exception | None]

Around: TypeAlias = "Callable[[Any, Context, Callable[[Context], Handled]], Handled]"
"""What handles an item in place of a worker: it gets the item, a context for it, and what calls the handler in one."""


class Handling:
    """The events in hand of one start of an observer, and what became of those before.

    Attributes:
        handled: how many were handled.
        failed: how many of these failed.
        running: how many handlers run.
        in_hand: each event that was taken and not handled, by a number of its own, in order.
        cut_off: the numbers of those whose handler was cancelled.
    """

    def __init__(
        self,
        handler: Callable[[Any], object],
        order: Callable[[Any], object] | None,
        *,
        capacity: int,
        failed: Callable[[Any, Exception], None],
        done: Callable[[], None] = lambda: None,
        around: Around | None = None,
    ) -> None:
        self._handler = handler
        self._around = around
        self._order = order
        self._capacity = capacity
        self._tell_failed = failed
        self._tell_done = done
        self.handled: int = 0
        self.failed: int = 0
        self.running: int = 0
        self.in_hand: dict[int, Any] = {}
        self.cut_off: set[int] = set()
        self._number = 0
        self._lines: dict[object, deque[tuple[int, Any]]] = {}
        """For each key that is being handled, what waits behind it."""
        self._behind = 0
        self._room: Event | None = None

    def trace(self, around: Around | None) -> None:
        """From now on each item is handled by this; None for the worker itself."""
        self._around = around

    async def work(self, items: AsyncIterator[Any], loop: RunningLoop, mark: Callable[[], object]) -> None:
        """What one task of the observer does: handle one item after another; ``mark`` what is handled here."""
        mark()
        worker = Worker(self._handler, loop, mark)
        async for item in items:
            self._number = number = self._number + 1
            self.in_hand[number] = item.event if type(item) is Carried else item
            if self._order is None:
                await self._handle(worker, number, item)
            else:
                await self._handle_in_order(worker, number, item)
            del item  # or it would be held until the next one comes

    async def _handle_in_order(self, worker: Worker, number: int, item: Any) -> None:
        """Handle it and all that comes behind it meanwhile; or leave it behind another of its key."""
        try:
            assert self._order is not None
            key = hashed(self._order(self.in_hand[number]))
        except Exception as error:  # noqa: BLE001 -- it is the user's function: as if the handler had raised
            self._over(number, error)
            return
        if (line := self._lines.get(key)) is not None:
            line.append((number, item))
            self._behind += 1
            del item
            while self._behind > self._capacity:
                self._room = self._room or Event()
                await self._room.wait()
            return
        line = self._lines[key] = deque()
        try:
            await self._handle(worker, number, item)
            while line:
                number, item = line.popleft()
                self._one_less_behind()
                await self._handle(worker, number, item)
        finally:
            del self._lines[key]
            for waiting, _ in line:  # this task was cancelled
                self.cut_off.add(waiting)
                self._one_less_behind()

    def _one_less_behind(self) -> None:
        self._behind -= 1
        if self._room is not None:
            self._room.set()
            self._room = None

    async def _handle(self, worker: Worker, number: int, item: Any) -> None:
        self.running += 1
        try:
            if self._around is None:
                error = await worker.call(item)
            else:
                error = await self._around(item, worker.context(item), partial(worker.call_in, item))
        except BaseException:
            self.cut_off.add(number)
            raise
        finally:
            self.running -= 1
        del item
        self._over(number, error)

    def _over(self, number: int, error: Exception | None) -> None:
        event = self.in_hand.pop(number)
        self.handled += 1
        if error is not None:
            self.failed += 1
            self._tell_failed(event, error)
        self._tell_done()

    def discard(self) -> None:
        """Forget what waits behind others."""
        for line in self._lines.values():
            while line:
                self.in_hand.pop(line.popleft()[0])
                self._one_less_behind()


class Worker:
    """One task that calls the handler."""

    __slots__ = ("_base", "_handler", "_leaks", "_loop", "_mark", "_task", "_times_cancelled")

    def __init__(self, handler: Callable[[Any], object], loop: RunningLoop, mark: Callable[[], object]) -> None:
        self._handler = handler
        self._loop = loop
        # to find the task anew would make an event a fifth dearer; weakly, for the task runs this
        self._task: ref[Any] = ref(loop.current_task())
        self._times_cancelled = loop.backend.times_cancelled
        self._mark = mark
        self._base = copy_context()
        self._leaks = False
        """Whether the handler has set a context variable: from then on each event gets a copy of the context."""

    def context(self, item: Any) -> Context:
        """A context to handle an item in: its publisher's, or a copy of the subject's."""
        carried = item.context if type(item) is Carried else None
        return self._base.copy() if carried is None else carried

    def call_in(self, item: Any, context: Context) -> Handled:
        """Call the handler for an item in this context, which is used for nothing else; returns what it raised."""
        return self.call(Carried(item.event if type(item) is Carried else item, context))

    async def call(self, item: Any) -> Exception | None:
        """Call the handler for an item; returns what it raised."""
        before = self._times_cancelled(self._task())
        try:
            if self._leaks or type(item) is Carried:
                context = self.context(item)
                context.run(self._mark)
                result = context.run(self._handler, item.event if type(item) is Carried else item)
                if isawaitable(result):
                    await in_context(context, result)
            else:
                # a copy for each event would cost half of what a handler costs; this asks whether one was needed
                try:
                    result = self._handler(item)
                    if type(result) is CoroutineType or isawaitable(result):  # `isawaitable` is slow
                        await result
                finally:
                    try:
                        self._leaks = copy_context() != self._base
                    except Exception:  # noqa: BLE001 -- two values that cannot be compared are not the same
                        self._leaks = True
        except Exception as error:  # noqa: BLE001 -- whatever a handler raises stops nobody
            return error
        except get_cancelled_exc_class() as error:  # noqa: ASYNC103 -- one that is not this task's own is a failure
            if self._loop.is_cancelled() or self._times_cancelled(self._task()) > before:
                raise
            stray = RuntimeError("the handler let a cancellation out that was not its own")
            stray.__cause__ = error
            return stray  # noqa: ASYNC104 -- it was not this task that was cancelled
        return None


@coroutine
def in_context(context: Context, awaited: Awaitable[Any]) -> Generator[Any, Any, Any]:
    """Await something in a context, step by step; Python 3.11 has no other way but a task."""
    steps = _wait(awaited)
    advance: Callable[[Any], Any] = steps.send
    given: Any = None
    while True:
        try:
            asked = context.run(advance, given)
        except StopIteration as end:
            return end.value
        try:
            given = yield asked
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- it is for what is awaited
            advance, given = steps.throw, error
        else:
            advance = steps.send


async def _wait(awaited: Awaitable[Any]) -> Any:
    return await awaited
