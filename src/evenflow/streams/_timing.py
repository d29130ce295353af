"""In time: operators that look at the clock, and the sources that are one.

Times are those at which a source is read. An operator with a task reads it as it comes; one without reads it when the
reader asks, so that to it an event that waited in a buffer came when it was taken out.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CancelScope, ClosedResourceError, EndOfStream, WouldBlock, current_time, move_on_after, sleep_until

from evenflow.streams._crew import Bell, Crew, Tasked, let_others_run
from evenflow.streams._limit import at_least
from evenflow.streams._link import SKIP, Link, One, Sift, Skip
from evenflow.streams._node import Operators
from evenflow.streams._paced import Debounce, Sample, Within
from evenflow.streams._source import Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from evenflow.streams._node import Node, Run
    from evenflow.streams._stream import Stream

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

MOST = 1_024
"""The most events that `delay`, and a batch without a size, hold."""


class Timing(Operators[T_co]):
    """The operators that look at the clock. Durations are seconds."""

    __slots__ = ()

    def debounce(self, seconds: float) -> Stream[T_co]:
        """Give the last event of a burst, once ``seconds`` have passed without another.

        The end of the source gives what is left at once; an error lets go of it.
        A burst is read as it comes, and all of it but the last is let go of; what was due before the reader came
        waits for it, and meanwhile the source is not read.

        Holds two events, needs a task, which reads the source. Cancelling loses nothing.
        """
        checked = duration(seconds, "debounce")
        return self._then(Debounce(self._claim("debounce"), checked))

    def throttle(self, seconds: float) -> Stream[T_co]:
        """Give an event, then none for ``seconds``, then the next one that comes.

        Time is taken when an event is read from the source.

        Holds back nothing, needs no task. Cancelling loses nothing but what it leaves out.
        """
        checked = duration(seconds, "throttle", zero=False)
        return self._then(Throttle(self._claim("throttle"), checked))

    def sample(self, seconds: float) -> Stream[T_co]:
        """Give, every ``seconds``, the newest event, if one has come since the last time.

        As in Rx the end of the source is given at the next of these times, after what is left; an error comes at
        once, and lets go of it. What was due before the reader came waits for it, and meanwhile the source is not
        read.

        Holds two events, needs a task, which reads the source. Cancelling loses nothing.
        """
        checked = duration(seconds, "sample", zero=False)
        return self._then(Sample(self._claim("sample"), checked))

    def delay(self, seconds: float) -> Stream[T_co]:
        """Give each event, and the end, ``seconds`` after it came; an error comes at once, and lets go of the rest.

        Holds up to 1,024 events; when these are on their way the source waits. Needs a task, which reads the source.
        Cancelling loses nothing.
        """
        checked = duration(seconds, "delay")
        return self._then(Delay(self._claim("delay"), checked))

    def timeout(self, seconds: float) -> Stream[T_co]:
        """Give the events, or raise ``TimeoutError`` when none comes within ``seconds``.

        The time runs while the reader waits for an event: a slow reader is no fault of the source.

        Holds back nothing, needs no task. Cancelling loses nothing.
        """
        checked = duration(seconds, "timeout")
        return self._then(Timeout(self._claim("timeout"), checked))

    def batches(self, size: int | None = None, within: float | None = None) -> Stream[tuple[T_co, ...]]:
        """Give the events as tuples, none of them empty.

        A batch is closed when it has ``size`` events, or ``within`` seconds after its first came, or by the end or an
        error, which follows it. Without either it is all that is waiting, at least one event, at most 1,024.

        Holds ``size`` events, or 1,024 if only ``within`` is given. ``within`` needs a task, which reads the source,
        and holds one more while a full batch waits for the reader. Cancelling loses nothing: what was collected
        is in the next batch.
        """
        most = MOST if size is None else at_least(1, size, "batches")
        if within is not None:
            checked = duration(within, "batches")
            return self._then(Within[T_co](self._claim("batches"), most, checked))
        return self._then(
            Waiting[T_co](self._claim("batches"), most) if size is None else Sized[T_co](self._claim("batches"), most)
        )


class Delay(Tasked[T]):
    """See ``delay``."""

    __slots__ = ("bell", "late", "room", "seconds")

    def __init__(self, above: Node[Any], seconds: float) -> None:
        super().__init__(above)
        self.seconds = seconds

    def begin(self, crew: Crew, run: Run) -> None:
        """Read the source in a task."""
        self.bell, self.room = Bell(), Bell()
        self.late: deque[tuple[float, T | Exception]] = deque()
        crew.start(self.fill, self.nodes[0].open(run))

    async def fill(self, source: AsyncIterator[T]) -> None:
        """Read the source, and note when each event is to be given."""
        error = await self.read(self.nodes[0], source, self.give)
        self.finish(error)

    def finish(self, error: Exception | None) -> None:
        """The end takes its time, an error does not."""
        if error is not None:
            self.late.clear()
        self.late.append((-inf, error) if error else (current_time() + self.seconds, StopAsyncIteration()))
        self.bell.ring()

    async def give(self, event: T) -> None:
        """Send an event on its way, as soon as there is room."""
        self.late.append((current_time() + self.seconds, event))
        if len(self.late) == 1:
            self.bell.ring()
        while len(self.late) >= MOST:
            await self.room.wait()
        await self.breathe()

    async def pull(self) -> T:
        """Wait until the first has arrived."""
        while True:
            if not self.late:
                await self.bell.wait()
                continue
            due, event = self.late[0]
            if current_time() < due:
                with CancelScope(deadline=due):
                    await self.bell.wait()
                continue
            if isinstance(event, Exception):
                raise event
            self.late.popleft()
            self.room.ring()
            return event

    async def shut(self, *, final: bool) -> None:
        """End the task, and wake a reader that waits for it."""
        if self.crew is not None:
            self.finish(ClosedResourceError())
        await super().shut(final=final)


class Throttle(Sift[T]):
    """See ``throttle``."""

    __slots__ = ("seconds", "silent_until")

    def __init__(self, above: Node[Any], seconds: float) -> None:
        super().__init__(above)
        self.seconds = seconds

    def fresh(self) -> None:
        """The first is given."""
        self.silent_until = -inf

    def step(self, event: Any) -> T | Skip:
        """Give it, if it is no longer silent."""
        now = current_time()
        if now < self.silent_until:
            return SKIP
        self.silent_until = now + self.seconds
        return event  # type: ignore[no-any-return]


class Timeout(One[T]):
    """See ``timeout``."""

    __slots__ = ("seconds",)

    def __init__(self, above: Node[Any], seconds: float) -> None:
        super().__init__(above)
        self.seconds = seconds

    async def pull(self) -> T:
        """Read the source, but not for too long."""
        with move_on_after(self.seconds):
            return await anext(self.source)
        await let_others_run()
        with suppress(WouldBlock, EndOfStream):  # what comes in the last moment, comes in time
            return self.above.nowait()  # type: ignore[no-any-return]
        raise TimeoutError(f"no event within {self.seconds:g} seconds")


class Sized(One[tuple[T, ...]]):
    """See ``batches``: closed by size alone."""

    __slots__ = ("batch", "failed", "size")

    def __init__(self, above: Node[Any], size: int) -> None:
        super().__init__(above)
        self.size = size

    def fresh(self) -> None:
        """Nothing is collected."""
        self.batch: list[T] = []
        self.failed: Exception | None = None

    async def pull(self) -> tuple[T, ...]:
        """Collect until the batch is full, or nothing comes any more."""
        while self.failed is None and len(self.batch) < self.size:
            try:
                self.batch.append(await anext(self.source))
            except Exception as error:  # noqa: BLE001 -- raised when what came before it was given
                self.failed = error
        if self.batch:
            batch, self.batch = tuple(self.batch), []
            return batch
        raise self.failed or StopAsyncIteration


class Waiting(Link[tuple[T, ...]]):
    """See ``batches``: all that is waiting."""

    __slots__ = ("size",)

    def __init__(self, above: Node[Any], size: int) -> None:
        super().__init__(above)
        self.size = size

    async def __anext__(self) -> tuple[T, ...]:
        try:
            batch = [await anext(self.source)]
        except BaseException as error:
            await self.leave(error)
            raise
        with suppress(WouldBlock, StopAsyncIteration):  # what ends the source is met again by the next read
            while len(batch) < self.size:
                batch.append(self.take_nowait())
        return tuple(batch)


class Interval(Source[int]):
    """See ``interval``."""

    __slots__ = ("began", "number", "seconds")

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def open(self, run: Run) -> AsyncIterator[int]:  # noqa: ARG002 -- a source needs no task
        """The clock starts now."""
        self.began = current_time()
        self.number = -1
        return self

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        await sleep_until(self.began + (self.number + 2) * self.seconds)
        self.number += 1
        return self.number


class Timer(Source[int]):
    """See ``timer``."""

    __slots__ = ("due", "seconds")

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def open(self, run: Run) -> AsyncIterator[int]:  # noqa: ARG002 -- a source needs no task
        """The clock starts now."""
        self.due: float | None = current_time() + self.seconds
        return self

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        if self.due is None:
            raise StopAsyncIteration
        await sleep_until(self.due)
        self.due = None
        return 0


def duration(seconds: Any, operator: str, *, zero: bool = True) -> float:
    """Refuse what is no duration.

    Raises:
        TypeError: it is no number.
        ValueError: it is negative or endless, or zero where that makes no sense.
    """
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(f"{operator} expected a number of seconds, not {seconds!r}")
    if not isfinite(seconds) or seconds < 0 or (seconds == 0 and not zero):
        raise ValueError(f"{operator} expected {'0 or more' if zero else 'more than 0'} seconds, not {seconds}")
    return seconds
