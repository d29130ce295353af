"""Out of a stream: what comes of all its events. A sink enters the chain, reads it, and closes it on every way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, overload

from anyio import EndOfStream, Lock, create_task_group

from evenflow.streams._limit import at_least
from evenflow.streams._link import COROUTINE
from evenflow.streams._node import Operators
from evenflow.streams._transform import check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    from anyio.abc import TaskGroup

    from evenflow.streams._stream import Stream

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)
A = TypeVar("A")


class Publishes(Protocol[T_contra]):
    """What can be published to: a subject, by that end of it."""

    def publish(self, event: T_contra, /) -> Awaitable[object]:
        """Take an event."""
        ...


class Sinks(Operators[T_co]):
    """The ways out of a stream. Each is a coroutine that reads it, and closes it however that ends.

    Cancelling a sink closes the stream; an event in hand goes with it.
    While a sink waits for the next event it does not hold the last: an event may be a group that is to be let go of.
    """

    __slots__ = ()

    async def for_each(self, handler: Callable[[T_co], object], /, concurrency: int = 1) -> None:
        """Call ``handler``, sync or async, with each event; at most ``concurrency`` run at once.

        An error of the handler ends it, cancels the other handlers, and goes out as it is.
        Holds ``concurrency`` events, one in each handler; while all are busy the source waits.
        """
        check(handler, "for_each")
        if at_least(1, concurrency, "for_each", "handlers at once") > 1:
            await _Workers(handler, concurrency).work(whole(self))
            return
        async with whole(self) as events:
            async for event in events:
                answer = handler(event)
                if type(answer) is COROUTINE:
                    await cast("Awaitable[object]", answer)
                del event, answer

    async def to_list(self) -> list[T_co]:
        """Return all events. Holds them all."""
        async with whole(self) as events:
            return [event async for event in events]

    @overload
    async def reduce(self, function: Callable[[A, T_co], Coroutine[Any, Any, A]], initial: A, /) -> A: ...
    @overload
    async def reduce(self, function: Callable[[A, T_co], A], initial: A, /) -> A: ...
    async def reduce(self, function: Callable[[Any, T_co], Any], initial: Any, /) -> Any:
        """Return what ``function(so_far, event)``, sync or async, makes of all events, from ``initial`` on."""
        check(function, "reduce")
        so_far = initial
        async with whole(self) as events:
            async for event in events:
                so_far = function(so_far, event)
                if type(so_far) is COROUTINE:
                    so_far = await so_far
                del event
        return so_far

    async def count(self) -> int:
        """Return how many events there are."""
        number = 0
        async with whole(self) as events:
            async for event in events:
                del event
                number += 1
        return number

    async def any(self, predicate: Callable[[T_co], bool | Awaitable[bool]] | int, /) -> bool:
        """Return whether ``predicate``, sync or async, is true for an event; read no further than that."""
        ask = check(predicate, "any")
        async with whole(self) as events:
            async for event in events:
                answer = ask(event)
                if type(answer) is COROUTINE:
                    answer = await answer
                if answer:
                    return True
                del event
        return False

    async def all(self, predicate: Callable[[T_co], bool | Awaitable[bool]] | int, /) -> bool:
        """Return whether ``predicate``, sync or async, is true for every event; read no further than it is not."""
        ask = check(predicate, "all")
        async with whole(self) as events:
            async for event in events:
                answer = ask(event)
                if type(answer) is COROUTINE:
                    answer = await answer
                if not answer:
                    return False
                del event
        return True

    async def first(self) -> T_co:
        """Return the first event, and read no other.

        Raises:
            anyio.EndOfStream: there is none.
        """
        async with whole(self) as events:
            async for event in events:
                return event
        raise EndOfStream

    async def last(self) -> T_co:
        """Return the last event.

        Raises:
            anyio.EndOfStream: there is none.
        """
        found: list[T_co] = []
        async with whole(self) as events:
            async for event in events:
                found = [event]
        if not found:
            raise EndOfStream
        return found[0]

    async def publish_to(self, publisher: Publishes[T_co]) -> int:
        """Publish each event, and return how many there were; while a publish waits, so does the source."""
        if not callable(getattr(publisher, "publish", None)):
            raise TypeError(f"publish_to expected a subject, or what else has a publish method, not {publisher!r}")
        number = 0
        async with whole(self) as events:
            async for event in events:
                await publisher.publish(event)
                del event
                number += 1
        return number


class _Workers:
    """Handlers at work side by side: each takes an event when it is free, one reads at a time."""

    def __init__(self, handler: Callable[[Any], object], concurrency: int) -> None:
        self.handler = handler
        self.concurrency = concurrency
        self.started = 0
        self.reading = Lock()
        self.failure: Exception | None = None

    async def work(self, stream: Stream[Any]) -> None:
        """Read the stream to its end; more workers start only when there is work for them."""
        async with stream as events:
            reader = aiter(events)
            async with create_task_group() as group:
                self._start(group, reader)
            if self.failure is not None:
                raise self.failure

    def _start(self, group: TaskGroup, reader: AsyncIterator[Any]) -> None:
        if self.started < self.concurrency:
            self.started += 1
            group.start_soon(self._one, group, reader)

    async def _one(self, group: TaskGroup, reader: AsyncIterator[Any]) -> None:
        while True:
            try:
                async with self.reading:
                    event = await anext(reader)
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001 -- raised when the handlers are done with what came before it
                self.failure = self.failure or error
                return
            self._start(group, reader)
            try:
                answer = self.handler(event)
                if type(answer) is COROUTINE:
                    await cast("Awaitable[object]", answer)
                del event, answer
            except Exception as error:  # noqa: BLE001 -- raised when the others are cancelled, and in no group
                self.failure = self.failure or error
                group.cancel_scope.cancel()
                return


def whole(part: Operators[T]) -> Stream[T]:
    """Return the stream of which this is a part, for the type checkers."""
    return cast("Stream[T]", part)
