"""What is due at a time: a task reads the source, the reader waits for the time to give.

    Debounce    due when nothing has come for so long
    Sample      due at the next tick
    Within      due so long after its first event, or when it is full

Rule 1: the task takes events in; what is due is given by the reader, or, if that is late, kept by the task for it.
Rule 2: what was due is never replaced: until it was taken the source is not read.
Rule 3: what comes at the very moment at which something is due comes first, as in Rx.
"""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CancelScope, ClosedResourceError, current_time

from evenflow.streams._crew import Bell, Crew, Tasked, let_others_run
from evenflow.streams._link import SKIP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from evenflow.streams._node import Node, Run

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Paced(Tasked[T_co]):
    """A task reads the source into the node; the reader, or the task if that is late, gives what is due.

    ``due`` is when that is, or None where nothing is there to be given.
    """

    __slots__ = ("bell", "due", "ended")

    def begin(self, crew: Crew, run: Run) -> None:
        """Open the source, and read it in a task."""
        self.bell = Bell()
        self.due: float | None = None
        self.ended: Exception | None = None
        self.fresh()
        crew.start(self.fill, self.nodes[0].open(run))

    def fresh(self) -> None:
        """Make the state of a fresh start."""

    def accept(self, event: Any, now: float) -> None:
        """Take an event in, and set ``due``."""
        raise NotImplementedError

    def release(self) -> T_co:
        """Give what is due, and set ``due`` to None, or to when the next is."""
        raise NotImplementedError

    def at_end(self, now: float) -> None:
        """The source has ended: set ``due`` for what is left."""

    def at_error(self) -> None:
        """The source has failed: what is left is let go of."""
        self.due = None

    async def fill(self, source: AsyncIterator[Any]) -> None:
        """Read the source, and note when it has ended."""
        error = await self.read(self.nodes[0], source, self.give)
        await self.keep_what_is_due(current_time())
        if error is None:
            self.at_end(current_time())
        else:
            self.at_error()
        self.ended = error or StopAsyncIteration()
        self.bell.ring()

    async def keep_what_is_due(self, now: float) -> None:
        """Let nothing take the place of what should have been given before ``now``: wait until the reader has it."""
        if self.due is not None and now > self.due:
            await self.channel.put(self.release())

    async def give(self, event: Any) -> None:
        """Take an event in, after what is due already."""
        now = current_time()
        await self.keep_what_is_due(now)
        waited_for = self.due
        self.accept(event, now)
        if self.due is not None and (waited_for is None or self.due < waited_for):
            self.bell.ring()
        await self.breathe()

    async def pull(self) -> T_co:
        """Wait until something is due."""
        while True:
            if self.channel:
                return self.channel.take_nowait()  # type: ignore[no-any-return]
            if self.due is None:
                if self.ended is not None:
                    raise self.ended
                await self.bell.wait()
            elif current_time() < self.due:
                with CancelScope(deadline=self.due):
                    await self.bell.wait()
            elif await self.nothing_newer():
                return self.release()

    async def nothing_newer(self) -> bool:
        """Let what comes at this very moment come first, as in Rx; return whether it is still due."""
        due = self.due
        if self.ended is None and due != -inf:
            await let_others_run()
        return self.due is not None and self.due == due and not self.channel

    async def shut(self, *, final: bool) -> None:
        """End the task, and wake a reader that waits for it."""
        if self.crew is not None and self.ended is None:
            self.ended = ClosedResourceError()
            self.bell.ring()
        await super().shut(final=final)


class Debounce(Paced[T]):
    """See ``debounce``."""

    __slots__ = ("newest", "seconds")

    def __init__(self, above: Node[Any], seconds: float) -> None:
        super().__init__(above)
        self.seconds = seconds

    def accept(self, event: Any, now: float) -> None:
        """Wait for silence, from now on."""
        self.newest: Any = event
        self.due = now + self.seconds

    def release(self) -> T:
        """Give the last of the burst."""
        self.due = None
        event, self.newest = self.newest, None
        return event  # type: ignore[no-any-return]

    def at_end(self, now: float) -> None:
        """After the end it is silent for ever."""
        if self.due is not None:
            self.due = now


class Sample(Paced[T]):
    """See ``sample``."""

    __slots__ = ("began", "newest", "seconds", "ticks")

    def __init__(self, above: Node[Any], seconds: float) -> None:
        super().__init__(above)
        self.seconds = seconds

    def fresh(self) -> None:
        """The clock starts now."""
        self.newest: Any = SKIP
        self.began = current_time()
        self.ticks = 0

    def tick(self, now: float) -> float:
        """Return the next time at which events are given."""
        self.ticks = max(self.ticks + 1, ceil((now - self.began) / self.seconds))
        return self.began + self.ticks * self.seconds

    def accept(self, event: Any, now: float) -> None:
        """Give the newest at the next tick."""
        self.newest = event
        if self.due is None:
            self.due = self.tick(now)

    def release(self) -> T:
        """Give the newest; without one this is the tick after the end."""
        self.due = None
        event, self.newest = self.newest, SKIP
        if event is SKIP:
            raise StopAsyncIteration
        return event  # type: ignore[no-any-return]

    def at_end(self, now: float) -> None:
        """The end is given at a tick, too."""
        if self.due is None:
            self.due = self.tick(now)


class Within(Paced[tuple[T, ...]]):
    """See ``batches``: closed by size or by time."""

    __slots__ = ("batch", "seconds", "size")

    def __init__(self, above: Node[Any], size: int, seconds: float) -> None:
        super().__init__(above)
        self.size = size
        self.seconds = seconds

    def fresh(self) -> None:
        """Nothing is collected."""
        self.batch: list[T] = []

    def accept(self, event: Any, now: float) -> None:
        """Collect it; the first starts the clock, the last stops it."""
        self.batch.append(event)
        if len(self.batch) >= self.size:
            self.due = -inf
        elif self.due is None:
            self.due = now + self.seconds

    def release(self) -> tuple[T, ...]:
        """Give what was collected."""
        self.due = None
        batch, self.batch = tuple(self.batch), []
        return batch

    async def give(self, event: Any) -> None:
        """Collect it, and wait for the reader when that makes a full batch."""
        await super().give(event)
        if self.due == -inf:
            await self.channel.put(self.release())

    def at_end(self, now: float) -> None:
        """Nothing can be added."""
        if self.due is not None:
            self.due = now

    def at_error(self) -> None:
        """What came before the error is given before it."""
        if self.due is not None:
            self.due = -inf
