"""`map` with several functions at once: each runs in a task, and the results come in the order of the source.

    slots       4: result      5: runs      6: result      (concurrency 3: event 7 is not asked for yet)
                yielded next                 waits for 5

Rule 1: an event has a slot from its arrival until the reader has its result, and there are at most ``concurrency``.
Rule 2: an error has a slot too, so it comes after the results before it. After one, no function is called any more.
Rule 3: a cancelled read cancels no function.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anyio import get_cancelled_exc_class

from evenflow._deadlock import Takers
from evenflow._errors import chain_closed
from evenflow.streams._channel import Notifier
from evenflow.streams._ending import Caught, not_an_end
from evenflow.streams._operator import COROUTINE
from evenflow.streams._standstill import InnerStream, Motion, motion_of, wait_for_change
from evenflow.streams._tasks import TaskEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from evenflow.streams._node import Node, Run
    from evenflow.streams._tasks import OperatorTask

T = TypeVar("T")
U = TypeVar("U")


class Slot(Generic[T]):
    """The place of one event among the results, and what its function has come to.

    ``running`` is what an async function has returned, until a task awaits it.
    """

    __slots__ = ("called_again", "error", "event", "is_over", "result", "running", "task")

    def __init__(self, event: T | None = None) -> None:
        self.event = event
        self.running: Coroutine[Any, Any, Any] | None = None
        self.task: OperatorTask | None = None
        self.called_again = False
        self.is_over = False
        self.result: Any = None
        self.error: Exception | None = None

    def end(self, result: Any, error: Exception | None) -> None:
        """Keep the result or the error for the reader, instead of the event."""
        self.event, self.result, self.error = None, result, error
        self.is_over = True

    def drop(self) -> None:
        """Close what no task has begun to await, or Python warns of it."""
        running, self.running = self.running, None
        if running is not None:
            running.close()


class ConcurrentMap(TaskEngine[U], Generic[T, U]):
    """See ``map``."""

    __slots__ = ("changed", "concurrency", "function", "has_failed", "is_full", "reading", "room", "running", "slots")

    def __init__(self, function: Callable[[Any], Any], concurrency: int, run: Run, above: Node[T]) -> None:
        super().__init__(run, above)
        self.function = function
        self.concurrency = concurrency
        self.slots: deque[Slot[T]] = deque()
        self.running: dict[InnerStream, None] = {}
        self.has_failed = False
        self.is_full = False
        self.reader_at = self.changed = Notifier()
        self.room = Notifier()
        self.reading = self.tasks.start(self.read, above, above.open(run.in_task()), takers=self.takers)

    # the task that reads

    async def read(self, above: Node[T], reader: AsyncIterator[T]) -> None:
        """Read the source to its end, which has a slot as well."""
        self.end(await self.tasks.read(above, reader, self.take_in) or StopAsyncIteration())

    async def take_in(self, event: T) -> None:
        """Call the function for an event, then wait for room for another."""
        if not self.has_failed:
            slot = Slot(event)
            self.slots.append(slot)
            self.call(slot)
        while self.has_no_room():
            self.is_full = True
            await self.wait_for_room()
        self.is_full = False
        await self.tasks.checkpoint_now_and_then()

    def has_no_room(self) -> bool:
        """Whether no other function may be called now."""
        return self.has_failed or len(self.slots) >= self.concurrency

    def takers(self) -> Takers:
        """Return whom the task that reads waits for: the first function, then whoever takes what that has returned."""
        if not (self.is_full and self.has_no_room()):
            return Takers()
        first = self.slots[0] if self.slots else None
        if first is None or first.is_over:
            return self.read_by.takers()
        return Takers() if first.task is None else Takers(first.task.who(), private=True)

    async def wait_for_room(self) -> None:
        """Wait until a result was taken, or until it must be looked again."""
        try:
            await wait_for_change(self.room, self.motion, self.why_it_stands)
        except RuntimeError as error:
            # The functions that run have no results to come first.
            self.slots[0].error = error
            self.slots[0].is_over = True
            self.changed.notify()
            raise

    def motion(self) -> Motion:
        """Whether any function can come to an end before the source is read on."""
        is_known = not self.has_failed and len(self.running) == sum(not slot.is_over for slot in self.slots)
        first_runs = bool(self.slots) and not self.slots[0].is_over
        return motion_of(self.running) if is_known and first_runs else Motion.MOVES

    def why_it_stands(self) -> str:
        """Return what the error says."""
        return (
            f"map runs at most concurrency={self.concurrency} functions, and all that run wait for groups of "
            "a group_by that has a further group: read the groups with flat_map, or give at least the number of groups"
        )

    def call(self, slot: Slot[T]) -> None:
        """Call the function; if it is async, start a task for it."""
        with Caught() as caught:
            answer = self.function(slot.event)
            if type(answer) is COROUTINE:
                slot.running = answer
                slot.task = self.tasks.start(self.wait_for, slot)
            else:
                self.fill(slot, answer, None)
        if caught.error is not None:
            self.fill(slot, None, not_an_end(caught.error))

    # the task of an async function

    async def wait_for(self, slot: Slot[T]) -> None:
        """Wait for what an async function returns."""
        running, slot.running = slot.running, None
        result = None
        stream = InnerStream(self.room)
        stream.enter()
        self.running[stream] = None
        try:
            with Caught() as caught:
                if running is not None:
                    result = await running
        except get_cancelled_exc_class():
            self.after_cancel(slot)
            raise
        finally:
            del self.running[stream]
        self.fill(slot, result, caught.error and not_an_end(caught.error))

    def after_cancel(self, slot: Slot[T]) -> None:
        """Call the function again if it was not evenflow that has cancelled it; but once, as it may cancel itself."""
        member = slot.task.member if slot.task is not None else None
        if member is not None and member.was_cancelled:
            return
        if slot.called_again:
            self.fill(slot, None, RuntimeError("the function given to map was cancelled twice for one event"))
        else:
            slot.called_again = True
            self.call(slot)

    # the reader

    async def pull(self) -> U:
        """Wait for the result of the first event. What ends the stream stays in its slot."""
        if not self.read_by.known.cr_running:
            self.read_by.note()
        while not (self.slots and self.slots[0].is_over):
            await self.changed.wait()
        first = self.slots[0]
        if first.error is not None:
            raise first.error
        self.slots.popleft()
        self.room.notify()
        result: U = first.result
        return result

    # results and ends

    def fill(self, slot: Slot[T], result: Any, error: Exception | None) -> None:
        """Note what has come of an event, and wake the reader."""
        slot.end(result, error)
        self.has_failed = self.has_failed or error is not None
        self.changed.notify()

    def fail(self, error: Exception) -> None:
        """Let the reader meet the error, after the results that there are or will be."""
        self.end(error)

    def end(self, error: Exception) -> None:
        """Add the last slot."""
        last: Slot[T] = Slot()
        self.slots.append(last)
        self.fill(last, None, error)

    def _task_lost(self) -> None:
        """Go on without a task that somebody else has cancelled, or end if it is the one that reads."""
        for slot in self.slots:
            if slot.running is not None and slot.task is not None and slot.task.over:
                # It was cancelled before it began.
                slot.task = self.tasks.start(self.wait_for, slot)
        if self.reading.over:
            super()._task_lost()

    async def stop(self) -> None:
        """End the tasks, and wake a reader that waits for them."""
        try:
            await super().stop()
        finally:
            while self.slots:
                self.slots.popleft().drop()
            self.end(chain_closed())
