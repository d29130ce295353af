"""Failure, and starting again: `catch`, `retry`, `repeat`, `finally_do`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from anyio import current_time, sleep_until
from anyio.lowlevel import checkpoint

from evenflow.streams._ending import calling_functions, conclude
from evenflow.streams._node import Run
from evenflow.streams._operator import COROUTINE, Operator
from evenflow.streams._sequential import Sequential
from evenflow.streams._source import NotRestartable, node_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from evenflow.streams._node import Node

T = TypeVar("T")


class Catch(Sequential[T]):
    """See ``catch``."""

    __slots__ = ("error", "function")

    def __init__(self, function: Callable[[Exception], Any], run: Run, above: Node[Any]) -> None:
        super().__init__(run, above)
        self.function = function
        self.error: Exception | None = None

    async def following(self) -> Node[T]:
        """Return the source, or a node of what the function makes of its error."""
        if self.error is None:
            return self.nodes[0]
        with calling_functions:
            made = self.function(self.error)
            if type(made) is COROUTINE:
                made = await made
        return node_of(made, "catch")

    def after_end(self) -> None:
        """End."""
        raise StopAsyncIteration

    def after_error(self, error: Exception) -> None:
        """Catch the first error."""
        if self.error is not None:
            raise error
        self.error = error


class Retry(Sequential[T]):
    """See ``retry``."""

    __slots__ = ("error", "left", "wait", "wake_at")

    def __init__(self, attempts: int, wait: float, run: Run, above: Node[Any]) -> None:
        super().__init__(Run(run.crew, restarts=True), above)
        self.left = attempts
        self.wait = wait
        self.error: Exception | None = None
        self.wake_at = 0.0

    async def following(self) -> Node[T]:
        """Return the source, after the wait."""
        if self.error is not None:
            await sleep_until(self.wake_at)
        self.left -= 1
        return self.nodes[0]

    def after_end(self) -> None:
        """End."""
        raise StopAsyncIteration

    def after_error(self, error: Exception) -> None:
        """Go on if an attempt is left."""
        if isinstance(error, NotRestartable) and self.error is not None:
            self.error.add_note(f"retry: {error}")
            raise self.error
        if self.left <= 0:
            raise error
        self.error = error
        self.wake_at = current_time() + self.wait


class Repeat(Sequential[T]):
    """See ``repeat``."""

    __slots__ = ("left",)

    def __init__(self, times: int | None, run: Run, above: Node[Any]) -> None:
        super().__init__(Run(run.crew, restarts=True), above)
        self.left = times

    async def following(self) -> Node[T]:
        """Return the source if there is another round."""
        if self.left == 0:
            raise StopAsyncIteration
        # A source without events must not keep the loop from turning.
        await checkpoint()
        if self.left is not None:
            self.left -= 1
        return self.nodes[0]


class FinallyDo(Operator[T, T]):
    """See ``finally_do``."""

    __slots__ = ("function", "must_call")

    def __init__(self, function: Callable[[], Any], above: Node[T]) -> None:
        super().__init__(above)
        self.function = function
        self.must_call = False

    def open(self, run: Run, /) -> AsyncIterator[T]:
        """From now on the function must be called."""
        reader = super().open(run)
        self.must_call = True
        return reader

    async def __anext__(self) -> T:
        try:
            return await anext(self.source)
        except BaseException as error:
            await conclude(self, error)
            raise

    def next_nowait(self) -> T:
        """Return an event that is there."""
        return self.take_nowait()

    async def close(self, *, final: bool) -> None:
        """Close the source, then call the function, once for each start."""
        try:
            await super().close(final=final)
        finally:
            if self.must_call:
                self.must_call = False
                with calling_functions:
                    answer = self.function()
                    if type(answer) is COROUTINE:
                        await answer
