"""Failure, and starting again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from anyio import current_time, sleep_until
from anyio.lowlevel import checkpoint

from evenflow.streams._limit import at_least
from evenflow.streams._link import COROUTINE, Sift, Skip
from evenflow.streams._node import Operators, Run
from evenflow.streams._sequel import Sequel
from evenflow.streams._source import Spent, node_of
from evenflow.streams._timing import duration
from evenflow.streams._transform import check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from evenflow.streams._node import Node
    from evenflow.streams._source import Streamable
    from evenflow.streams._stream import Stream

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")


class Failure(Operators[T_co]):
    """The operators for streams that fail, and for those that begin again. None of them needs a task."""

    __slots__ = ()

    @overload
    def catch(self, function: Callable[[Exception], Coroutine[Any, Any, Streamable[U]]], /) -> Stream[T_co | U]: ...
    @overload
    def catch(self, function: Callable[[Exception], Streamable[U]], /) -> Stream[T_co | U]: ...
    def catch(self, function: Callable[[Exception], Any], /) -> Stream[Any]:
        """Give the events; where the source fails, go on with what ``function(error)``, sync or async, returns.

        It may return anything that ``stream()`` takes, or raise. The source is closed first. What that stream raises
        in turn is not caught.

        Holds back nothing, needs no task of its own.
        Cancelled while an async function runs, it keeps the error, and the next read calls the function again.
        """
        checked = check(function, "catch")
        return self._then(Catch(self._claim("catch"), checked))

    def retry(self, attempts: int, wait: float = 0.0) -> Stream[T_co]:
        """Give the events; where the source fails, wait so many seconds and start it again, ``attempts`` times in all.

        What it gave before it failed is not taken back. The last error goes out as it is.
        A function given to ``stream()`` is called anew; what can be read but once, such as a subscription, goes on
        where it was, and if that itself has failed its error goes out at once.

        Holds back nothing, needs no task of its own. Cancelling loses nothing.
        """
        most, pause = at_least(1, attempts, "retry", "attempts"), duration(wait, "retry")
        return self._then(Retry(self._claim("retry"), most, pause))

    def repeat(self, times: int | None = None) -> Stream[T_co]:
        """Give the events, and at the end start the source again, ``times`` in all, or for ever.

        A function given to ``stream()`` is called anew; a source that can be read but once is a ``RuntimeError``
        when it is to be started again.

        Holds back nothing, needs no task of its own. Cancelling loses nothing.
        """
        count = None if times is None else at_least(0, times, "repeat", "rounds")
        return self._then(Repeat(self._claim("repeat"), count))

    def finally_do(self, function: Callable[[], object], /) -> Stream[T_co]:
        """Give the events, and call ``function``, sync or async, once the source is closed, however that came about.

        Holds back nothing, needs no task. Cancelling loses nothing; an async function that is cancelled is not called
        again.
        """
        checked = check(function, "finally_do")
        return self._then(FinallyDo(self._claim("finally_do"), checked))


class Catch(Sequel[T]):
    """See ``catch``."""

    __slots__ = ("error", "function")
    unknown = True

    def __init__(self, above: Node[Any], function: Callable[[Exception], Any]) -> None:
        super().__init__(above)
        self.function = function

    def fresh(self, run: Run) -> None:  # noqa: ARG002 -- opened by the first read
        """Nothing has failed."""
        self.error: Exception | None = None

    async def following(self) -> Node[T]:
        """Return the source, or what is made of its error."""
        if self.error is None:
            return self.nodes[0]
        made = self.function(self.error)
        if type(made) is COROUTINE:
            made = await made
        return node_of(made, "catch")

    def at_end(self) -> None:
        """End with it."""
        raise StopAsyncIteration

    def at_error(self, error: Exception) -> None:
        """Catch the first."""
        if self.error is not None:
            raise error
        self.error = error

    def final(self) -> bool:
        """A source that may be started again is not closed for good."""
        return not self.run.restarts


class Again(Sequel[T]):
    """A node that starts its source again."""

    __slots__ = ()

    def start(self, run: Run) -> None:
        """Start with what is needed to see when a source is spent."""
        super().start(Run(run.group, restarts=True))

    def final(self) -> bool:
        """It is to be started again."""
        return False


class Retry(Again[T]):
    """See ``retry``."""

    __slots__ = ("attempts", "error", "left", "wait", "wake_at")

    def __init__(self, above: Node[Any], attempts: int, wait: float) -> None:
        super().__init__(above)
        self.attempts = attempts
        self.wait = wait

    def fresh(self, run: Run) -> None:  # noqa: ARG002 -- opened by the first read
        """All attempts are left."""
        self.left = self.attempts
        self.error: Exception | None = None
        self.wake_at = 0.0

    async def following(self) -> Node[T]:
        """Wait, then return the source."""
        if self.error is not None:
            await sleep_until(self.wake_at)
        self.left -= 1
        return self.nodes[0]

    def at_end(self) -> None:
        """End with it."""
        raise StopAsyncIteration

    def at_error(self, error: Exception) -> None:
        """Go on, if an attempt is left."""
        if isinstance(error, Spent) and self.error is not None:
            self.error.add_note(f"retry: {error}")
            raise self.error
        if self.left <= 0:
            raise error
        self.error = error
        self.wake_at = current_time() + self.wait


class Repeat(Again[T]):
    """See ``repeat``."""

    __slots__ = ("left", "times")

    def __init__(self, above: Node[Any], times: int | None) -> None:
        super().__init__(above)
        self.times = times

    def fresh(self, run: Run) -> None:  # noqa: ARG002 -- opened by the first read
        """All rounds are left."""
        self.left = self.times

    async def following(self) -> Node[T]:
        """Return the source, if there is another round."""
        if self.left == 0:
            raise StopAsyncIteration
        await checkpoint()  # a source without events must not keep the loop from turning
        if self.left is not None:
            self.left -= 1
        return self.nodes[0]


class FinallyDo(Sift[T]):
    """See ``finally_do``."""

    __slots__ = ("function", "owed")

    def __init__(self, above: Node[Any], function: Callable[[], Any]) -> None:
        super().__init__(above)
        self.function = function
        self.owed = False

    def open(self, run: Run) -> AsyncIterator[T]:
        """From now on the call is owed."""
        reader = super().open(run)
        self.owed = True
        return reader

    def step(self, event: Any) -> T | Skip:
        """Give it on."""
        return event  # type: ignore[no-any-return]

    async def shut(self, *, final: bool) -> None:
        """Shut the source, then call the function, once for each start."""
        try:
            await super().shut(final=final)
        finally:
            if self.owed:
                self.owed = False
                answer = self.function()
                if type(answer) is COROUTINE:
                    await answer
