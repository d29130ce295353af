"""An asyncio event loop whose clock jumps to the next thing that is due.

    something is ready           run it; no time passes
    a thread is running          wait for it in real time, at most a second; no virtual time passes
    something is due later       jump to that time
    nothing is due               Stuck: every task waits for ever
    due after the limit          Stuck

What is due at one time happens in the order that `streams._moments` describes: sources one by one, then the timers.
Time begins at 0 and is kept in whole nanoseconds, so that 0.1 + 0.2 and 0.3 are the same time.
"""

from __future__ import annotations

import asyncio
import selectors
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import TYPE_CHECKING, Any

from anyio.to_thread import current_default_thread_limiter

from evenflow.streams._moments import A_SECOND, Timetable, moment_of
from evenflow.testing._errors import Stuck
from evenflow.testing._tasks import waiting_tasks

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from contextvars import Context

    from anyio import CapacityLimiter

DAY = 86_400.0
"""The default limit of a test, in virtual seconds."""

PATIENCE = 1.0
"""For how many real seconds the clock waits for a thread."""

MANY_TIMERS = 100
"""Up to this many timers, no look is taken at how many of them were cancelled."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time: as soon as everything waits, the clock jumps to what is due next.

    Pass it as ``loop_factory``: ``asyncio.Runner(loop_factory=VirtualLoop)``, or in anyio's ``anyio_backend`` fixture.

    The clock stands still while anything is ready. It also waits, for at most a real second, while a thread of
    ``anyio.to_thread`` or of ``run_in_executor`` is running; it does not know about other threads.
    Sockets, pipes and subprocesses are refused, because they have no virtual time.

    Raises:
        Stuck: (out of ``run_until_complete``) every task waits for ever, or ``limit`` virtual seconds have passed.
            The message says where each task waits. Cleaning up may take another ``limit`` seconds.
    """

    def __init__(self, *, limit: float = DAY) -> None:
        self.timetable: Timetable = Timetable()
        self._virtual = _Selector(self, limit)
        super().__init__(self._virtual)
        self._virtual.sealed = True
        if not limit > 0:
            self.close()
            raise ValueError(f"limit must be a number of virtual seconds above 0, not {limit!r}")

    def time(self) -> float:
        """Return the virtual seconds since this loop was made."""
        return self._virtual.now / A_SECOND

    def call_at(  # type: ignore[override]  # as below
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call something at a time. What is due already is called when the loop turns."""
        timer = _Timer(when, callback, args, self, context)
        if when <= self.time():
            self.call_soon(timer.fire)
        else:
            self._virtual.timers.add(max(moment_of(when), self._virtual.now + 1), timer)
        return timer

    def run_in_executor(  # type: ignore[override]  # typeshed's signature has a TypeVarTuple, which we need not repeat
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run a function in a thread; the clock stands still until it returns."""
        future = super().run_in_executor(executor, func, *args)
        self._virtual.calls += 1
        future.add_done_callback(self._virtual.returned)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Wait for the threads of ``run_in_executor``; the clock stands still."""
        self._virtual.calls += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._virtual.calls -= 1


class _Timer(asyncio.TimerHandle):
    """What ``call_at`` returns."""

    __slots__ = ()

    def fire(self) -> None:
        """Make the call, unless it was cancelled."""
        if not self.cancelled():
            self._run()


class _Timers:
    """The timers, in the order in which they are due; at one moment, in the order in which they were set."""

    def __init__(self) -> None:
        self.numbers = count()
        self.heap: list[tuple[float, int, _Timer]] = []
        self.enough = MANY_TIMERS

    def add(self, moment: float, timer: _Timer) -> None:
        """Add a timer. Cancelled ones are cleared away when there are twice as many as after the last clearing."""
        if len(self.heap) >= self.enough:
            self.heap = [entry for entry in self.heap if not entry[2].cancelled()]
            heapify(self.heap)
            self.enough = max(MANY_TIMERS, 2 * len(self.heap))
        heappush(self.heap, (moment, next(self.numbers), timer))

    def first(self) -> float | None:
        """Return when the next timer is due."""
        while self.heap and self.heap[0][2].cancelled():
            heappop(self.heap)
        return self.heap[0][0] if self.heap else None

    def pop(self) -> _Timer:
        """Remove the next timer, and return it."""
        return heappop(self.heap)[2]


class _Selector(selectors.DefaultSelector):
    """An event loop waits in its selector, so this is where the clock jumps."""

    def __init__(self, loop: VirtualLoop, limit: float) -> None:
        super().__init__()
        self.loop = loop
        self.limit = limit
        self.now: float = 0
        """Nanoseconds since the beginning."""
        self.ends = limit * A_SECOND
        self.timers = _Timers()
        self.timetable = loop.timetable
        self.sealed = False
        """Whether the loop has registered what it needs itself; nothing more can be registered then."""
        self.calls = 0
        """How many calls of ``run_in_executor`` have not returned."""
        self.limiter: CapacityLimiter | None = None
        """What counts the threads of anyio; None until a task has asked for it."""
        self.finding: asyncio.Task[None] | None = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Take what the loop registers to be woken, and nothing else."""
        if self.sealed:
            raise RuntimeError(
                f"{fileobj!r} cannot be waited for in virtual time, because a socket, pipe or subprocess has none: "
                "test this one in real time, or give the code a stand-in that lives in memory"
            )
        return super().register(fileobj, events, data)

    def returned(self, _: object) -> None:
        """Count a call that returned."""
        self.calls -= 1

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready. If nothing is ready at all, which is any timeout but 0, go on in virtual time."""
        woken = super().select(0)
        if woken or timeout == 0:
            return woken
        if self.limiter is None:
            self.finding = self.loop.create_task(self._find_limiter(), name="virtual time")
            return woken
        due, source = self._next()
        if self._threads_are_running() and (woken := super().select(None if due is None else PATIENCE)):
            return woken
        self._jump(due)
        if source:
            self.timetable.let_one_go_on()
        else:
            while self.timers.first() == due:
                self.loop.call_soon(self.timers.pop().fire)
        return woken

    def _next(self) -> tuple[float | None, bool]:
        """Return the next moment, and whether a source has something then."""
        timer, source = self.timers.first(), self.timetable.first()
        # What is due at no time, such as the end of `sleep(inf)`, is not due.
        timer = None if timer == inf else timer
        if source is not None and source[0] < inf and (timer is None or source[0] <= timer):
            return source[0], True
        return timer, False

    async def _find_limiter(self) -> None:
        """Ask anyio what counts its threads; only a task can ask."""
        self.limiter = current_default_thread_limiter()

    def _threads_are_running(self) -> bool:
        return self.calls > 0 or (self.limiter is not None and self.limiter.borrowed_tokens > 0)

    def _jump(self, due: float | None) -> None:
        if due is None:
            self._give_up("every task waits for something that nobody is left to do")
        elif due > self.ends:
            self.now = round(self.ends)
            self._give_up(f"the test was not over after {self.limit:g} virtual seconds, its limit")
        else:
            self.now = max(self.now, due)

    def _give_up(self, why: str) -> None:
        self.ends = self.now + self.limit * A_SECOND
        raise Stuck(f"{why}\n{waiting_tasks(self.loop)}")
