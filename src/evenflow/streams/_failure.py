"""Failure, and starting again: `catch`, `retry`, `repeat`, `finally_do`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from anyio import current_time, sleep_until
from anyio.lowlevel import checkpoint

from evenflow.streams._checks import check_seconds
from evenflow.streams._ending import calling_functions, conclude, not_an_end
from evenflow.streams._operator import COROUTINE, Operator
from evenflow.streams._sequential import Sequential
from evenflow.streams._source import NotRestartable, node_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from evenflow.streams._node import Node, Run

T = TypeVar("T")

Kinds = type[Exception] | tuple[type[Exception], ...]
"""One kind of error or several, as ``except`` takes them."""


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

    __slots__ = ("attempt", "attempts", "error", "on", "wait", "wake_at")

    def __init__(
        self, attempts: int, wait: float | Callable[[int], float], on: Kinds, run: Run, above: Node[Any]
    ) -> None:
        super().__init__(run.again_and_again(), above)
        self.attempts = attempts
        self.attempt = 0
        self.wait = wait
        self.on = on
        self.error: Exception | None = None
        self.wake_at = 0.0

    async def following(self) -> Node[T]:
        """Return the source, after the wait."""
        if self.error is not None:
            await sleep_until(self.wake_at)
        self.attempt += 1
        return self.nodes[0]

    def after_end(self) -> None:
        """End."""
        raise StopAsyncIteration

    def after_error(self, error: Exception) -> None:
        """Go on if it is an error of this kind, and an attempt is left."""
        if isinstance(error, NotRestartable) and self.error is not None:
            self.error.add_note(f"retry: {error}")
            raise self.error
        if self.attempt >= self.attempts or not isinstance(error, self.on):
            raise error
        self.wake_at = current_time() + self.pause(error)
        self.error = error

    def pause(self, error: Exception) -> float:
        """Return the seconds until the next attempt; an error of the function has that of the source as its cause."""
        if not callable(self.wait):
            return self.wait
        try:
            return check_seconds(self.wait(self.attempt), "retry")
        except Exception as failure:  # noqa: BLE001 -- raised below
            raise not_an_end(failure) from error


class Repeat(Sequential[T]):
    """See ``repeat``."""

    __slots__ = ("left",)

    def __init__(self, times: int | None, run: Run, above: Node[Any]) -> None:
        super().__init__(run.again_and_again(), above)
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
