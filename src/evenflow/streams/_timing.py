"""In time: `throttle`, `timeout`, `delay`, and the sources that are a clock.

An event comes when it is read from the source. An operator with a task reads the source as fast as that can give; one
without reads it when its own reader asks, so for it an event that was waiting in a buffer comes at that moment.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Final, TypeVar

from anyio import CancelScope, EndOfStream, WouldBlock, current_time, move_on_after

from evenflow._errors import chain_closed
from evenflow.streams._channel import Notifier, let_others_run
from evenflow.streams._deciding import Rule
from evenflow.streams._guarded import OneSource
from evenflow.streams._moments import Turn
from evenflow.streams._node import NOTHING, Node, Nothing
from evenflow.streams._tasks import TaskEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from evenflow._deadlock import Takers
    from evenflow.streams._node import Run

T = TypeVar("T")

MOST_DELAYED: Final = 1_024
"""The most events that ``delay`` holds."""


class Throttle(Rule[T, T]):
    """See ``throttle``."""

    __slots__ = ("seconds", "silent_until")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.silent_until = -inf

    def decide(self, event: T, /) -> T | Nothing:
        """Yield the event if it does not come too early."""
        now = current_time()
        if now < self.silent_until:
            return NOTHING
        self.silent_until = now + self.seconds
        return event


class Timeout(OneSource[T, T]):
    """See ``timeout``."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float, run: Run, above: Node[T]) -> None:
        super().__init__(run, above)
        self.seconds = seconds

    async def pull(self) -> T:
        """Read the source, but not for too long."""
        with move_on_after(self.seconds):
            return await anext(self.source)
        # An event of the last moment comes in time.
        await let_others_run()
        with suppress(WouldBlock, EndOfStream):
            return self.above.next_nowait()
        raise TimeoutError(f"no event within {self.seconds:g} seconds")


class Delay(TaskEngine[T]):
    """See ``delay``."""

    __slots__ = ("arrived", "delayed", "room", "seconds")

    def __init__(self, seconds: float, run: Run, above: Node[T]) -> None:
        super().__init__(run, above)
        self.seconds = seconds
        self.reader_at = self.arrived = Notifier()
        self.room = Notifier()
        self.delayed: deque[tuple[float, T | Exception]] = deque()
        self.tasks.start(self.read, above, above.open(run.in_task()), takers=self.takers)

    async def read(self, above: Node[T], reader: AsyncIterator[T]) -> None:
        """Read the source, and note when each event is due."""
        self.end(await self.tasks.read(above, reader, self.take_in))

    def takers(self) -> Takers:
        """Return whom it waits for: the readers, while it holds as many as it may."""
        return self.read_by.takers_if(len(self.delayed) >= MOST_DELAYED)

    async def take_in(self, event: T) -> None:
        """Hold an event until it is due, then wait for room for another."""
        self.delayed.append((current_time() + self.seconds, event))
        if len(self.delayed) == 1:
            self.arrived.notify()
        while len(self.delayed) >= MOST_DELAYED:
            await self.room.wait()
        await self.tasks.checkpoint_now_and_then()

    def end(self, error: Exception | None) -> None:
        """Delay the end as an event is delayed; an error is due at once."""
        if error is None:
            self.delayed.append((current_time() + self.seconds, StopAsyncIteration()))
        else:
            self.delayed.clear()
            self.delayed.append((-inf, error))
        self.arrived.notify()

    def fail(self, error: Exception) -> None:
        """Let the reader meet the error now."""
        self.end(error)

    async def pull(self) -> T:
        """Wait until the first is due."""
        if not self.read_by.known.cr_running:
            self.read_by.note()
        while True:
            if not self.delayed:
                await self.arrived.wait()
                continue
            due, event = self.delayed[0]
            if current_time() < due:
                with CancelScope(deadline=due):
                    await self.arrived.wait()
                continue
            if isinstance(event, Exception):
                raise event
            self.delayed.popleft()
            self.room.notify()
            return event

    async def stop(self) -> None:
        """End the task, and wake a reader that waits for it."""
        self.end(chain_closed())
        await super().stop()


class Interval(Node[int]):
    """See ``interval``."""

    __slots__ = ("began", "number", "seconds", "turn")

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def open(self, _run: Run, /) -> AsyncIterator[int]:
        """Start the clock."""
        self.began = current_time()
        self.turn = Turn()
        self.number = 0
        return self

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        await self.turn.sleep_until(self.began + (self.number + 1) * self.seconds)
        self.number += 1
        return self.number - 1


class Timer(Node[int]):
    """See ``timer``."""

    __slots__ = ("due", "seconds", "turn")

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def open(self, _run: Run, /) -> AsyncIterator[int]:
        """Start the clock."""
        self.due: float | None = current_time() + self.seconds
        self.turn = Turn()
        return self

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        if self.due is None:
            raise StopAsyncIteration
        await self.turn.sleep_until(self.due)
        self.due = None
        return 0
