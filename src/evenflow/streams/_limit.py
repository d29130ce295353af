"""How many: the first, the last, and those until something happens."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CancelScope

from evenflow.streams._crew import Crew, Tasked
from evenflow.streams._link import SKIP, One, Sift, Skip, Step
from evenflow.streams._node import ENDED, Operators
from evenflow.streams._source import node_of
from evenflow.streams._transform import check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from evenflow.streams._node import Node, Run
    from evenflow.streams._source import Streamable
    from evenflow.streams._stream import Stream

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Limit(Operators[T_co]):
    """The operators that bound how much of a stream is given."""

    __slots__ = ()

    def take(self, n: int) -> Stream[T_co]:
        """Give the first ``n`` events, then the end, without asking the source for another.

        Holds back nothing, needs no task. Cancelling loses nothing.
        """
        checked = at_least(0, n, "take")
        return self._then(Take(self._claim("take"), checked))

    def take_last(self, n: int) -> Stream[T_co]:
        """Give the last ``n`` events, when the source has ended; if it fails, only the error.

        Holds ``n`` events, needs no task. Cancelling loses nothing.
        """
        checked = at_least(0, n, "take_last")
        return self._then(TakeLast(self._claim("take_last"), checked))

    def take_while(self, predicate: Callable[[T_co], bool | Awaitable[bool]] | int, /) -> Stream[T_co]:
        """Give the events up to the first for which ``predicate``, sync or async, is false; that one is not given.

        Holds back nothing, needs no task.
        Cancelled while an async predicate runs, it keeps the event, and the next read asks again.
        """
        checked = check(predicate, "take_while")
        return self._then(TakeWhile(self._claim("take_while"), checked))

    def take_until(self, other: Streamable[object]) -> Stream[T_co]:
        """Give the events until ``other`` gives its first; what then still lies in the source is not asked for.

        The end of ``other`` changes nothing, its error ends the stream.

        Holds back nothing, needs a task, which reads one event of ``other``. Cancelling loses nothing.
        """
        checked = node_of(other, "take_until")
        return self._then(TakeUntil(self._claim("take_until"), checked))

    def skip(self, n: int) -> Stream[T_co]:
        """Give all events but the first ``n``.

        Holds back nothing, needs no task. Cancelling loses nothing but what it skips.
        """
        checked = at_least(0, n, "skip")
        return self._then(SkipFirst(self._claim("skip"), checked))

    def skip_while(self, predicate: Callable[[T_co], bool | Awaitable[bool]] | int, /) -> Stream[T_co]:
        """Give the events from the first for which ``predicate``, sync or async, is false; then ask no more.

        Holds back nothing, needs no task.
        Cancelled while an async predicate runs, it keeps the event, and the next read asks again.
        """
        checked = check(predicate, "skip_while")
        return self._then(SkipWhile(self._claim("skip_while"), checked))

    def skip_until(self, other: Streamable[object]) -> Stream[T_co]:
        """Give the events that are read after ``other`` gave its first; the error of ``other`` ends the stream.

        While it skips, it reads the source as fast as the reader asks. The end of the source is the end, also
        where ``other`` has given nothing (there RxPY never ends).

        Holds back nothing, needs a task, which reads one event of ``other``. Cancelling loses nothing but what it
        skips.
        """
        checked = node_of(other, "skip_until")
        return self._then(SkipUntil(self._claim("skip_until"), checked))


class Take(Sift[T]):
    """See ``take``."""

    __slots__ = ("count", "left")

    def __init__(self, above: Node[Any], count: int) -> None:
        super().__init__(above)
        self.count = count

    def fresh(self) -> None:
        """All are to be given yet."""
        self.left = self.count
        if not self.left:
            self.source = ENDED

    def step(self, event: Any) -> T | Skip:
        """Count it; after the last, the source is not read again."""
        self.left -= 1
        if self.left <= 0:
            self.source = ENDED
        return event  # type: ignore[no-any-return]

    def nowait(self) -> T:
        """Give one, while there are some left."""
        if self.source is ENDED:
            raise StopAsyncIteration
        return super().nowait()


class TakeLast(One[T]):
    """See ``take_last``."""

    __slots__ = ("count", "ended", "kept")

    def __init__(self, above: Node[Any], count: int) -> None:
        super().__init__(above)
        self.count = count

    def fresh(self) -> None:
        """Nothing is kept."""
        self.kept: deque[T] = deque(maxlen=self.count)
        self.ended = False

    async def pull(self) -> T:
        """Keep all that comes, then give what is left."""
        while not self.ended:
            try:
                self.kept.append(await anext(self.source))
            except StopAsyncIteration:
                self.above.check_end()
                self.ended = True
        if self.kept:
            return self.kept.popleft()
        raise StopAsyncIteration


class TakeWhile(Step[T]):
    """See ``take_while``."""

    __slots__ = ()

    def decide(self, event: Any, answer: Any) -> T | Skip:
        """Give it, or end."""
        if not answer:
            raise StopAsyncIteration
        return event  # type: ignore[no-any-return]


class SkipFirst(Sift[T]):
    """See ``skip``."""

    __slots__ = ("count", "left")

    def __init__(self, above: Node[Any], count: int) -> None:
        super().__init__(above)
        self.count = count

    def fresh(self) -> None:
        """All are to be skipped yet."""
        self.left = self.count

    def step(self, event: Any) -> T | Skip:
        """Count it."""
        if self.left > 0:
            self.left -= 1
            return SKIP
        return event  # type: ignore[no-any-return]


class SkipWhile(Step[T]):
    """See ``skip_while``."""

    __slots__ = ("skipping",)

    def fresh(self) -> None:
        """Skip, to begin with."""
        self.skipping = True

    def call(self, event: Any) -> Any:
        """Ask only while it skips."""
        return self.skipping and self.function(event)

    def decide(self, event: Any, answer: Any) -> T | Skip:
        """Skip it, or never skip again."""
        self.skipping = bool(answer)
        return SKIP if answer else event


class Watching(Tasked[T]):
    """A node that reads its first source in the reader's task, and watches others in tasks of its own."""

    __slots__ = ("interruption", "scope", "source")

    def begin(self, crew: Crew, run: Run) -> None:
        """Open all sources together; the watchers begin when the loop turns."""
        self.interruption: Exception | None = None
        self.scope: CancelScope | None = None
        self.source: AsyncIterator[T] = self.nodes[0].open(run)
        for number, node in enumerate(self.nodes[1:]):
            crew.start(self.watch, number, node, node.open(run))

    async def watch(self, number: int, node: Node[Any], reader: AsyncIterator[Any]) -> None:
        """Read one of the others."""
        raise NotImplementedError

    def interrupt(self, error: Exception) -> None:
        """End the stream now, even while it is being read."""
        if self.interruption is None:
            self.interruption = error
            if self.scope is not None:
                self.scope.cancel()

    async def leave(self, node: Node[Any]) -> None:
        """Shut one of the others, that is not needed any more; what that raises ends the stream."""
        failure = await self.retire(node)
        if failure is not None:
            self.interrupt(failure)

    async def ask(self) -> T:
        """Read the first source, unless it is interrupted."""
        if self.interruption is None:
            with CancelScope() as self.scope:
                return await anext(self.source)
        raise self.interruption or StopAsyncIteration  # the scope was cancelled


class TakeUntil(Watching[T]):
    """See ``take_until``."""

    __slots__ = ()

    async def watch(self, number: int, node: Node[Any], reader: AsyncIterator[Any]) -> None:  # noqa: ARG002
        """Wait for one event: it ends the stream."""
        try:
            await anext(reader)
        except StopAsyncIteration:
            await self.leave(node)
        except Exception as error:  # noqa: BLE001 -- it is handed to the reader, as it is
            self.interrupt(error)
        else:
            self.interrupt(StopAsyncIteration())

    async def pull(self) -> T:
        """Read the source."""
        return await self.ask()


class SkipUntil(Watching[T]):
    """See ``skip_until``."""

    __slots__ = ("skipping",)

    def begin(self, crew: Crew, run: Run) -> None:
        """Skip, to begin with."""
        self.skipping = True
        super().begin(crew, run)

    async def watch(self, number: int, node: Node[Any], reader: AsyncIterator[Any]) -> None:  # noqa: ARG002
        """Wait for one event: from then on nothing is skipped."""
        try:
            await anext(reader)
        except StopAsyncIteration:
            await self.leave(node)
        except Exception as error:  # noqa: BLE001 -- it is handed to the reader, as it is
            self.interrupt(error)
        else:
            self.skipping = False
            await self.leave(node)

    async def pull(self) -> T:
        """Read the source, and skip what comes too early."""
        while True:
            event = await self.ask()
            if not self.skipping:
                return event


def at_least(least: int, count: Any, operator: str, things: str = "events") -> int:
    """Refuse a number that is none, or too small.

    Raises:
        TypeError: it is no integer.
        ValueError: it is too small.
    """
    if not isinstance(count, int) or isinstance(count, bool):
        raise TypeError(f"{operator} expected a number of {things}, not {count!r}")
    if count < least:
        raise ValueError(f"{operator} expected at least {least} {things}, not {count}")
    return count
