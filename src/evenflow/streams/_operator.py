"""Operator: the node for everything that takes the events of one source one by one, in the reader's task.

Each kind of operator has one ``__anext__`` and awaits the source in it, so that an event costs one coroutine.
An event in hand while a user's async function is cancelled is put back in front of the source: the next read takes it
from there, and calls the function again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from anyio import ClosedResourceError, EndOfStream, WouldBlock

from evenflow.streams._ending import ENDED, Ended, conclude, not_an_end
from evenflow.streams._node import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenflow.streams._node import Run

T = TypeVar("T")
U_co = TypeVar("U_co", covariant=True)

EVENTS_A_TURN: Final = 1_024
"""After how many events a loop that yields none of them lets the event loop turn, because its source may never wait."""

COROUTINE: Final[type[Any]] = CoroutineType
"""What calling an async function returns. Only that is awaited; it is compared by identity, which is fast."""


class PutBack(AsyncIterator[T]):
    """The source of an operator with one event put back in front of it."""

    __slots__ = ("event", "operator", "source")

    def __init__(self, operator: Operator[T, Any], event: T) -> None:
        self.operator = operator
        self.source = operator.source
        self.event = event

    async def __anext__(self) -> T:
        return self.take()

    def take(self) -> T:
        """Return the event, and give the operator its source back."""
        self.operator.source = self.source
        return self.event


class Operator(Node[U_co], ABC, Generic[T, U_co]):
    """A node with one source: ``above`` is its node, ``source`` is what is read."""

    __slots__ = ("above", "source")

    def __init__(self, above: Node[T]) -> None:
        super().__init__(above)
        self.above = above
        self.source: AsyncIterator[T] = ENDED

    def open(self, run: Run, /) -> AsyncIterator[U_co]:
        """Open the source."""
        self.source = self.above.open(run)
        return self

    def end_with(self, error: Exception | None, /) -> None:
        """Make every read from now on raise ``error``, or the end."""
        self.source = ENDED if error is None else Ended(error)

    def being_read(self) -> tuple[Node[Any], ...]:
        """Return the source."""
        return self.nodes

    def __aiter__(self) -> AsyncIterator[U_co]:
        return self

    @abstractmethod
    async def __anext__(self) -> U_co: ...

    def take_nowait(self) -> T:
        """Take an event from the source if one is there.

        What ends the source is left to a read that waits, which can close the chain too.

        Raises:
            anyio.WouldBlock: none is there.
        """
        source = self.source
        # By identity: `isinstance` of a kind of `AsyncIterator` would take longer than all the rest.
        kind = type(source)
        if kind is Ended:
            raise WouldBlock
        if kind is PutBack:
            return cast("PutBack[T]", source).take()
        try:
            return self.above.next_nowait()
        except (WouldBlock, EndOfStream, ClosedResourceError):
            raise WouldBlock from None
        except Exception as error:
            self.end_with(error)
            raise WouldBlock from error

    def call_nowait(self, event: T, function: Callable[[T], Any]) -> Any:
        """Call the user's function. What it raises is kept for a read that waits, and so is the event if it is async.

        Raises:
            anyio.WouldBlock: it raised, or is async.
        """
        try:
            answer = function(event)
        except Exception as error:
            self.end_with(not_an_end(error))
            raise WouldBlock from error
        if type(answer) is COROUTINE:
            answer.close()
            self.put_back(event)
            raise WouldBlock
        return answer

    def put_back(self, event: T) -> None:
        """Let the next read find this event first."""
        self.source = PutBack(self, event)

    async def wait_for(self, answer: Any, event: T) -> Any:
        """Wait for what the user's async function answers about ``event``. If that is cancelled, put it back."""
        try:
            return await answer
        except StopAsyncIteration as error:
            raise not_an_end(error) from error
        except Exception:
            raise
        except BaseException:
            self.put_back(event)
            raise


class PassOn(Operator[T, T]):
    """Yields every event. It stands behind a source that has no operator, and closes it at its end."""

    __slots__ = ()

    async def __anext__(self) -> T:
        try:
            return await anext(self.source)
        except BaseException as error:
            await conclude(self, error)
            raise

    def next_nowait(self) -> T:
        """Return an event that is there."""
        return self.take_nowait()
