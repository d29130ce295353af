"""The event loop that runs here: one object for each loop, shared by all subjects in it.

It knows its loop weakly: a loop that has ended can go, whoever still holds this object.
"""

from __future__ import annotations

from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, ref

from anyio import NoEventLoopError
from anyio.lowlevel import EventLoopToken, RunVar, current_token

from ._backends import NOT_RUNNING, Backend, KnownTask, backend_of
from ._fairness import FairnessBudget

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class RunningLoop:
    """One running loop."""

    def __init__(self, token: EventLoopToken) -> None:
        loop: Any = token.native_token
        self._loop: ref[Any] = ref(loop)
        self.thread: int = get_ident()
        self.backend: Backend = backend_of(loop)
        self.budget: FairnessBudget = FairnessBudget(self.backend.time, self.backend.in_next_turn)
        self.counts: list[int] = self.budget.counts  # the budget's own list
        self.waiting: dict[object, Any] = {}  # the publish that each task waits in, over all subjects, for `_deadlock`
        self.own: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # the tasks that evenflow runs, a `_deadlock.Own`
        self.now: Callable[[], float] = token.backend_class.current_time  # its clock, in seconds
        self.known: KnownTask = NOT_RUNNING  # the last that asked twice in a row whether it is cancelled
        self.is_pending: Callable[[], bool] = bool  # tells, asked in that task, whether it is being cancelled
        self._asked_last: Callable[[], object] = object  # no task: a new object each time

    def is_here(self) -> bool:
        """Whether this very loop runs in the calling thread."""
        try:
            return self.backend.running_loop() is self._loop()
        except RuntimeError:
            return False

    def current_task(self) -> object | None:
        """The task that runs in this loop; None in a callback of it."""
        return self.backend.current_task()

    def is_cancelled(self) -> bool:
        """Whether the task that runs is being cancelled, or the scope that it is in.

        To know a task takes 1 us: it is done for a task that asks again.
        """
        if self.known.cr_running:  # the caller has seen that it is this loop's thread
            return self.is_pending()
        task = self.current_task()
        if task is None:  # a callback of the loop, in no scope
            return False
        if task is not self._asked_last():
            self._asked_last = ref(task)
            return self.backend.pending(task)()
        self.known = self.backend.know(task, partial(_forget, ref(self)))
        self.is_pending = self.backend.pending(task)
        return self.is_pending()

    def turn(self) -> Awaitable[None]:
        """Let this loop turn once, when awaited. A checkpoint."""
        self.budget.begin_turn()
        return self.backend.turn()

    async def turn_when_due(self) -> None:
        """Let this loop turn because the budget is used up. A checkpoint."""
        await self.turn()
        self.budget.has_turned()

    def has_ended(self) -> bool:
        """Whether this loop will never run again."""
        loop = self._loop()
        return loop is None or self.backend.loop_has_ended(loop)

    def call_soon(self, function: Callable[[], object]) -> None:
        """Have the loop call ``function``, which raises nothing, from any thread; ``RuntimeError`` if it has ended."""
        loop = self._loop()
        if loop is None:
            raise RuntimeError("the loop has ended")
        self.backend.call_soon(loop, function)


def _forget(loop: ref[RunningLoop], gone: object) -> None:
    """The task that a loop knew is gone."""
    knowing = loop()
    if knowing is not None and knowing.known is gone:
        knowing.known = NOT_RUNNING


_BINDING: Final[RunVar[RunningLoop]] = RunVar("evenflow")


def running_loop() -> RunningLoop:
    """The loop that runs in this thread; ``NoEventLoopError`` where none does."""
    found = _BINDING.get(None)
    if found is None:
        found = RunningLoop(current_token())
        _BINDING.set(found)
    return found


def running_loop_or_none() -> RunningLoop | None:
    """The loop that runs in this thread, or None where none does."""
    try:
        return running_loop()
    except NoEventLoopError:
        return None
