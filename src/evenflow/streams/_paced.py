"""What is due at a time: `debounce`, `sample`, `throttle` with the last event, and `batches` within a time.

    debounce    due when nothing has come for a while
    sample      due at the next tick
    throttle    due at once, or at the end of the pause after what was yielded last
    batches     due a while after the first event, or at the end of a window, or when the batch is full

Rule 1: a task reads the source. What is due is yielded to the reader; if the reader is late, the task keeps it for it.
Rule 2: what was due is never replaced. Until the reader has taken it, the source is not read.
Rule 3: what comes at the very moment at which something is due comes first, as in Rx.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import ceil, inf
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from anyio import CancelScope, current_time

from evenflow._errors import chain_closed
from evenflow.streams._channel import Notifier
from evenflow.streams._moments import let_sources_go_first, moment_of
from evenflow.streams._node import NOTHING, Nothing
from evenflow.streams._tasks import TaskEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from evenflow._deadlock import Takers
    from evenflow.streams._node import Node, Run
    from evenflow.streams._windows import Closing

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE: Final = -inf
"""When something is due that waits for nothing any more."""

LARGEST_TIMED_BATCH: Final = 65_536
"""The most events in a batch that is closed by time alone. One more is an error: such a batch is never split."""


class Paced(TaskEngine[U], ABC, Generic[T, U]):
    """The base of an engine that collects events, and yields what it has collected when that is ``due``.

    ``due`` is None where nothing is collected.
    """

    __slots__ = ("changed", "due", "ended")

    def __init__(self, run: Run, above: Node[T]) -> None:
        super().__init__(run, above)
        self.reader_at = self.changed = Notifier()
        self.due: float | None = None
        self.ended: Exception | None = None
        self.tasks.start(self.read, above, above.open(run.in_task()), takers=self.takers)

    # what an operator defines

    @abstractmethod
    def collect(self, event: T, now: float) -> None:
        """Take an event in, and set ``due``."""

    @abstractmethod
    def release(self) -> U:
        """Return what is due, and set ``due`` to None."""

    @abstractmethod
    def after_end(self, now: float) -> None:
        """The source has ended: set ``due`` for what is left."""

    def after_error(self) -> None:
        """The source has failed: what is left is dropped."""
        self.due = None

    # the task

    def takers(self) -> Takers:
        """Return whom it waits for: the readers, while something is late."""
        return self.read_by.takers_if(bool(self.channel))

    async def read(self, above: Node[T], reader: AsyncIterator[T]) -> None:
        """Read the source, and note how it has ended."""
        error = await self.tasks.read(above, reader, self.take_in)
        await self.keep_what_is_due(current_time())
        if error is None:
            self.after_end(current_time())
        else:
            self.after_error()
        self.ended = error or StopAsyncIteration()
        self.changed.notify()

    async def keep_what_is_due(self, now: float) -> None:
        """If something was due before ``now``, wait until the reader has it."""
        if self.due is not None and now > self.due and not at_one_moment(now, self.due):
            await self.channel.put(self.release())

    async def take_in(self, event: T) -> None:
        """Collect an event, after what is due already. What is due at once waits here for the reader."""
        now = current_time()
        await self.keep_what_is_due(now)
        due_before = self.due
        self.collect(event, now)
        if self.due is not None and (due_before is None or self.due < due_before):
            self.changed.notify()
        await self.tasks.checkpoint_now_and_then()
        if self.due == AT_ONCE:
            await self.channel.put(self.release())

    # the reader

    async def pull(self) -> U:
        """Wait until something is due."""
        if not self.read_by.known.cr_running:
            self.read_by.note()
        while True:
            if self.channel:
                return self.channel.take_nowait()
            if self.due is None:
                if self.ended is not None:
                    raise self.ended
                await self.changed.wait()
            elif current_time() < self.due:
                with CancelScope(deadline=self.due):
                    await self.changed.wait()
            elif await self.nothing_comes_first():
                return self.release()

    async def nothing_comes_first(self) -> bool:
        """Let in what comes at this very moment; return whether the same is still due."""
        due = self.due
        if self.ended is None and due != AT_ONCE:
            await let_sources_go_first()
        return self.due is not None and self.due == due and not self.channel

    def fail(self, error: Exception) -> None:
        """Let the reader meet the error, after what is due."""
        if self.ended is None:
            self.ended = error
            self.changed.notify()

    async def stop(self) -> None:
        """End the task, and wake a reader that waits for it."""
        self.fail(chain_closed())
        await super().stop()


class Debounce(Paced[T, T]):
    """See ``debounce``."""

    __slots__ = ("newest", "seconds")

    def __init__(self, seconds: float, run: Run, above: Node[T]) -> None:
        super().__init__(run, above)
        self.seconds = seconds
        self.newest: Any = None

    def collect(self, event: T, now: float) -> None:
        """Keep the newest, and wait for silence from now on."""
        self.newest = event
        self.due = now + self.seconds

    def release(self) -> T:
        """Return the last event of the burst."""
        self.due = None
        event: T = self.newest
        self.newest = None
        return event

    def after_end(self, now: float) -> None:
        """No event can come any more: what is left is due now."""
        if self.due is not None:
            self.due = now


class Sample(Paced[T, T]):
    """See ``sample``."""

    __slots__ = ("began", "newest", "seconds", "ticks")

    def __init__(self, seconds: float, run: Run, above: Node[T]) -> None:
        super().__init__(run, above)
        self.seconds = seconds
        self.newest: T | Nothing = NOTHING
        self.began = current_time()
        self.ticks = 0

    def next_tick(self, now: float) -> float:
        """Return the time of the next tick. No tick is used twice."""
        self.ticks = max(self.ticks + 1, ceil((now - self.began) / self.seconds))
        return self.began + self.ticks * self.seconds

    def collect(self, event: T, now: float) -> None:
        """Keep the newest for the next tick."""
        self.newest = event
        if self.due is None:
            self.due = self.next_tick(now)

    def release(self) -> T:
        """Return the newest. If there is none, this is the tick at which the end is given."""
        self.due = None
        event, self.newest = self.newest, NOTHING
        if isinstance(event, Nothing):
            raise StopAsyncIteration
        return event

    def after_end(self, now: float) -> None:
        """The end waits for a tick, too."""
        if self.due is None:
            self.due = self.next_tick(now)


class ThrottleWithLast(Paced[T, T]):
    """See ``throttle``, with ``trailing``."""

    __slots__ = ("newest", "pause_ends", "seconds")

    def __init__(self, seconds: float, run: Run, above: Node[T]) -> None:
        super().__init__(run, above)
        self.seconds = seconds
        self.newest: Any = None
        self.pause_ends = AT_ONCE

    def collect(self, event: T, now: float) -> None:
        """Yield the event at once, or keep it for the end of the pause, in place of an earlier one."""
        self.newest = event
        # An event of the moment at which the pause ends is still in it, as in Rx: events come before the clock.
        if now > self.pause_ends and not at_one_moment(now, self.pause_ends):
            self.due = AT_ONCE
            self.pause_ends = now + self.seconds
        else:
            self.due = self.pause_ends

    def release(self) -> T:
        """Return the newest. One that has waited for the end of a pause begins another there."""
        if self.due != AT_ONCE:
            self.pause_ends += self.seconds
        self.due = None
        event: T = self.newest
        self.newest = None
        return event

    def after_end(self, now: float) -> None:
        """What is left comes at the end of the pause, and then the end."""


class TimedBatches(Paced[T, tuple[T, ...]]):
    """See ``batches``: a batch is closed by time, and by its size if it has one."""

    __slots__ = ("batch", "closing", "size")

    def __init__(self, size: int | None, make_closing: Callable[[], Closing], run: Run, above: Node[T]) -> None:
        super().__init__(run, above)
        self.size = size
        self.closing = make_closing()
        self.batch: list[T] = []

    def collect(self, event: T, now: float) -> None:
        """Add the event. The first starts the clock, and a full batch is due at once."""
        if self.size is None and len(self.batch) >= LARGEST_TIMED_BATCH:
            raise RuntimeError(
                f"batches(within=...) has collected {LARGEST_TIMED_BATCH:,} events, and its time is not over: "
                "pass size= too, which closes a batch earlier, or a shorter within="
            )
        self.batch.append(event)
        if len(self.batch) == self.size:
            self.due = AT_ONCE
        elif self.due is None:
            self.due = self.closing.due(now)

    def release(self) -> tuple[T, ...]:
        """Return the batch, and begin another."""
        if self.due != AT_ONCE:
            self.closing.was_due()
        self.due = None
        batch, self.batch = tuple(self.batch), []
        return batch

    def after_end(self, now: float) -> None:
        """No event can be added: the batch is due now."""
        if self.due is not None:
            self.due = now

    def after_error(self) -> None:
        """What came before the error is yielded before it."""
        if self.due is not None:
            self.due = AT_ONCE


def at_one_moment(time: float, other: float) -> bool:
    """Whether two times differ by rounding alone."""
    return AT_ONCE not in {time, other} and moment_of(time) == moment_of(other)
