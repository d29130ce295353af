"""Operators on one source that take its events one by one and run no task.

    Link    one coroutine an event, whatever the operator does: the fast path
    Sift    a link that decides by the event alone
    Step    a link that asks a function of the user's, sync or async
    One     for all that waits in more than one place: guarded, one source

An event in hand while an async function is cancelled is put back in front of the source: the function is called again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from anyio import ClosedResourceError, EndOfStream, WouldBlock

from evenflow.streams._node import ENDED, Ended, Guarded, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from evenflow.streams._node import Run

T = TypeVar("T")
U_co = TypeVar("U_co", covariant=True)


class Skip:
    """What a step answers when nothing comes of an event."""

    __slots__ = ()


SKIP: Final = Skip()

COROUTINE: Final[type[Any]] = CoroutineType
"""What an async function answers: only that is awaited (asked by identity, for speed)."""


class Put(AsyncIterator[Any]):
    """An event that was taken and is still owed: it is read first, then the source goes on."""

    __slots__ = ("event", "link", "source")

    def __init__(self, link: Link[Any], event: object) -> None:
        self.link = link
        self.source = link.source
        self.event = event

    async def __anext__(self) -> Any:
        return self.back()

    def back(self) -> Any:
        """Give the event, and its source back to the operator."""
        self.link.source = self.source
        return self.event


class Link(Node[U_co]):
    """A node with one source, ``above``, that is read through ``source``."""

    __slots__ = ("above", "source")

    def __init__(self, above: Node[Any]) -> None:
        super().__init__(above)
        self.above = above
        self.source: AsyncIterator[Any] = ENDED

    def open(self, run: Run) -> AsyncIterator[U_co]:
        """Start with fresh state."""
        self.source = self.above.open(run)
        self.fresh()
        return self

    def fresh(self) -> None:
        """Make the state of a fresh start."""

    def rest(self, error: Exception | None) -> None:
        """From now on a read raises ``error``, or the end."""
        self.source = ENDED if error is None else Ended(error)

    def __aiter__(self) -> AsyncIterator[U_co]:
        return self

    async def __anext__(self) -> U_co:
        raise NotImplementedError

    async def leave(self, error: BaseException) -> None:
        """Take note of what came out of a read instead of an event."""
        other = await self.over(error)
        if other is not None and other is not error:
            raise other from None

    def take_nowait(self) -> Any:
        """Take an event that is there.

        What ends the source is left to the read that waits, which can close as well.

        Raises:
            anyio.WouldBlock: none is there.
        """
        source = self.source
        if type(source) is Ended:
            raise WouldBlock
        if type(source) is Put:
            return source.back()
        try:
            return self.above.nowait()
        except (WouldBlock, EndOfStream, ClosedResourceError):
            raise WouldBlock from None
        except Exception as error:  # noqa: BLE001 -- kept for the read that waits
            self.rest(error)
            raise WouldBlock from None

    def put_back(self, event: object) -> None:
        """Have the next read find this event first."""
        self.source = Put(self, event)

    async def settle(self, event: object, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for what the user's function makes of ``event``; cancelled, put that back."""
        try:
            return await coroutine
        except StopAsyncIteration as error:
            raise RuntimeError("a function given to an operator raised StopAsyncIteration") from error  # it is no end
        except Exception:
            raise
        except BaseException:
            self.put_back(event)
            raise


class Sift(Link[U_co]):
    """A link that decides by the event alone."""

    __slots__ = ()

    def step(self, event: Any) -> U_co | Skip:
        """Make something of the event, or ``SKIP`` it; raise ``StopAsyncIteration`` for the end."""
        raise NotImplementedError

    async def __anext__(self) -> U_co:
        try:
            while True:
                result = self.step(await anext(self.source))
                if not isinstance(result, Skip):
                    return result
        except BaseException as error:
            await self.leave(error)
            raise

    def nowait(self) -> U_co:
        """Give what comes of the events that are there."""
        while True:
            event = self.take_nowait()
            try:
                result = self.step(event)
            except Exception as error:  # noqa: BLE001 -- kept for the read that waits
                self.rest(error)
                raise WouldBlock from None
            if not isinstance(result, Skip):
                return result


class Step(Link[U_co]):
    """A link that asks a function of the user's, sync or async, and decides by its answer."""

    __slots__ = ("function",)

    def __init__(self, above: Node[Any], function: Callable[..., Any]) -> None:
        super().__init__(above)
        self.function = function

    def call(self, event: Any) -> Any:
        """Call the function; it may answer with a coroutine."""
        return self.function(event)

    def decide(self, event: Any, answer: Any) -> U_co | Skip:
        """Make something of the event and the answer, or ``SKIP`` it; raise ``StopAsyncIteration`` for the end."""
        raise NotImplementedError

    async def __anext__(self) -> U_co:
        try:
            while True:
                event = await anext(self.source)
                answer = self.call(event)
                if type(answer) is COROUTINE:
                    answer = await self.settle(event, answer)
                result = self.decide(event, answer)
                if not isinstance(result, Skip):
                    return result
                del event, answer  # while it waits for the next it holds nothing
        except BaseException as error:
            await self.leave(error)
            raise

    def nowait(self) -> U_co:
        """Give what comes of the events that are there; an async function is left to the read that waits."""
        while True:
            event = self.take_nowait()
            try:
                answer = self.call(event)
                if type(answer) is COROUTINE:
                    answer.close()
                    self.put_back(event)
                    raise WouldBlock
                result = self.decide(event, answer)
            except WouldBlock:
                raise
            except Exception as error:  # noqa: BLE001 -- kept for the read that waits
                self.rest(error)
                raise WouldBlock from None
            if not isinstance(result, Skip):
                return result


class One(Guarded[U_co]):
    """A guarded node with one source."""

    __slots__ = ("above", "source")

    def __init__(self, above: Node[Any]) -> None:
        super().__init__(above)
        self.above = above
        self.source: AsyncIterator[Any] = ENDED

    def start(self, run: Run) -> None:
        """Open the source."""
        self.source = self.above.open(run)
        self.fresh()

    def fresh(self) -> None:
        """Make the state of a fresh start."""


class Tail(Sift[U_co]):
    """The end of a chain that has no operator: closes the source when that is over."""

    __slots__ = ()

    def step(self, event: Any) -> U_co | Skip:
        """Give it on."""
        return event  # type: ignore[no-any-return]
