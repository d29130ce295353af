"""Stream: what can be read one by one, and every operator on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeVar, cast

from anyio import ClosedResourceError, EndOfStream, WouldBlock, create_task_group
from anyio.abc import ObjectReceiveStream

from evenflow.streams._combine import Combine
from evenflow.streams._failure import Failure
from evenflow.streams._flatten import Flatten
from evenflow.streams._limit import Limit
from evenflow.streams._link import Tail
from evenflow.streams._node import NOT_ENTERED, Ended, Node, Operators, Run
from evenflow.streams._sink import Sinks
from evenflow.streams._source import OneShot, Source, Streamable, node_of
from evenflow.streams._timing import Interval, Timer, Timing, duration
from evenflow.streams._transform import Transform

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from anyio.abc import TaskGroup

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)


class Stream(
    Transform[T_co],
    Limit[T_co],
    Timing[T_co],
    Combine[T_co],
    Flatten[T_co],
    Failure[T_co],
    Sinks[T_co],
    Operators[T_co],
    ObjectReceiveStream[T_co],
):
    """Events, one by one, at the reader's pace; and the operators, each giving another stream.

    The end of a chain is entered with ``async with``, which closes the whole chain::

        async with orders.subscribe(OrderPlaced).map(price).debounce(0.2) as prices:
            async for price in prices: ...

    A chain of which no operator needs a task may also be read as it is.
    A stream has one reader: an operator owns its source, and whoever else reads it gets a ``RuntimeError``.
    Reading, and cancelling a read, loses nothing: the event is returned, or still there for the next read.

    To make a stream of something else, give it to ``stream()``.
    To make a kind of stream, define ``_pull`` and ``aclose``, and, if it can be, ``_pull_nowait``.
    """

    _owner: str | None = None

    async def _pull(self) -> T_co:
        """Wait for the next event, whoever owns this stream; cancelling loses nothing.

        Raises:
            anyio.EndOfStream: there are no more.
        """
        raise NotImplementedError

    def _pull_nowait(self) -> T_co:
        """Return an event that is there.

        Raises:
            anyio.WouldBlock: there is none, or it cannot be known without waiting.
        """
        raise WouldBlock

    def _reader(self) -> AsyncIterator[T_co]:
        """Return what the owner of this stream reads: ``_pull`` as an async iterator."""
        return _Pulls(self)

    async def receive(self) -> T_co:
        """Wait for the next event.

        Cancelling loses nothing: the event is returned, or the next call gives it.

        Raises:
            anyio.EndOfStream: there are no more.
            anyio.ClosedResourceError: the stream was closed here.
            RuntimeError: an operator owns this stream, or it needs a task and was not entered.
        """
        self._check_owner()
        return await self._pull()

    async def __anext__(self) -> T_co:
        try:
            return await self.receive()
        except EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        self._check_owner()
        return self

    def _check_owner(self) -> None:
        """Refuse a second reader."""
        if self._owner is not None:
            raise RuntimeError(
                f"this stream is the source of {self._owner}, its only reader: "
                "read the chain behind that, or give the stream to share(), which many can subscribe to"
            )

    def _claim(self, owner: str, /) -> Node[T_co]:
        """Make ``owner`` the only reader."""
        self._check_owner()
        self._owner = owner
        return _Foreign(self)

    def _then(self, node: Node[U], /) -> Stream[U]:
        """Return the chain that ends with ``node``."""
        return Chain(node)


class _Pulls(AsyncIterator[T]):
    """A stream of whatever kind, read by its owner."""

    __slots__ = ("stream",)

    def __init__(self, stream: Stream[T]) -> None:
        self.stream = stream

    async def __anext__(self) -> T:
        try:
            return await self.stream._pull()
        except EndOfStream:
            raise StopAsyncIteration from None


class _Foreign(OneShot[T]):
    """A stream that is no chain of operators, such as a subscription, as a node."""

    __slots__ = ("stream",)

    def __init__(self, stream: Stream[T]) -> None:
        super().__init__(stream)
        self.stream = stream

    def reader(self) -> AsyncIterator[T]:
        """Return what the owner reads."""
        return self.stream._reader()

    def nowait(self) -> T:
        """Ask the stream."""
        return self.stream._pull_nowait()


class _Begun(Node[T]):
    """A chain that was read for a while before an operator took it over; it goes on where it was."""

    __slots__ = ("node", "reader")

    def __init__(self, node: Node[T], reader: AsyncIterator[T]) -> None:
        super().__init__(node)
        self.node = node
        self.reader: AsyncIterator[T] | None = reader

    def open(self, run: Run) -> AsyncIterator[T]:
        """Go on; only after that, start anew."""
        self.node.last = False
        reader, self.reader = self.reader, None
        return self.node.open(run) if reader is None else reader

    def nowait(self) -> T:
        """Pass it on."""
        return self.node.nowait()

    def interrupted(self) -> None:
        """Pass it on."""
        self.node.interrupted()

    def check_end(self) -> None:
        """Pass it on."""
        self.node.check_end()


class Chain(Stream[T]):
    """The end of a chain of operators: starts it at the first read, and closes all of it."""

    def __init__(self, node: Node[T]) -> None:
        self._node = node
        self._reading: AsyncIterator[T] | None = None
        self._group: TaskGroup | None = None
        self._entered = 0
        self._closed = False

    def __repr__(self) -> str:
        return f"<Stream {type(self._node).__name__.lower()}{' closed' if self._closed else ''}>"

    def _begin(self) -> AsyncIterator[T]:
        """Return what is read; the first call starts it."""
        if self._reading is None or self._owner is not None:
            self._check_owner()
            if self._group is None and self._node.needs_task():
                raise RuntimeError(NOT_ENTERED)
            node: Node[T] = Tail(self._node) if isinstance(self._node, Source) else self._node
            node.last = True
            self._reading = node.open(Run(self._group))
        if self._closed:
            raise ClosedResourceError
        return self._reading

    def __aiter__(self) -> AsyncIterator[T]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  anyio says Self; a loop over the node itself spares a coroutine an event
        return self._begin()

    async def __anext__(self) -> T:
        return await anext(self._begin())

    async def receive(self) -> T:
        """Wait for the next event."""
        reading = self._begin()
        try:
            return await anext(reading)
        except StopAsyncIteration:
            raise EndOfStream from None

    async def aclose(self) -> None:
        """Close the chain with all its sources, and wait until its tasks have ended."""
        self._closed = True
        if self._reading is None:
            self._reading = Ended()
        await self._node.shut(final=True)

    def _claim(self, owner: str, /) -> Node[T]:
        self._check_owner()
        self._owner = owner
        return self._node if self._reading is None else _Begun(self._node, self._reading)

    async def __aenter__(self) -> Self:
        self._check_owner()
        if self._closed:
            raise ClosedResourceError
        self._entered += 1
        if self._group is None and self._node.may_need_task():
            group = create_task_group()
            await group.__aenter__()
            self._group = group
            try:
                if self._node.needs_task():
                    self._begin()
            except BaseException as error:
                await self.__aexit__(type(error), error, error.__traceback__)
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the chain, and leave no task behind; what the body raised goes out as it is, in no group."""
        self._entered -= 1
        group = self._group
        if self._entered:  # a sink inside the `async with` closes; the group is left outside
            group = None
        else:
            self._group = None
        try:
            await self.aclose()
        except Exception as closing:
            if error is None:
                await leave(group, closing)
                raise
            error.add_note(f"and closing its sources raised {closing!r}")
        except BaseException as cancelled:
            await leave(group, cancelled)
            raise
        await leave(group, error)


async def leave(group: TaskGroup | None, error: BaseException | None) -> None:
    """Leave a task group, if there is one, whose tasks raise nothing, without its wrapping up ``error``."""
    if group is None:
        return
    try:
        if error is None:
            group.cancel_scope.cancel()
            await group.__aexit__(None, None, None)
        else:
            await group.__aexit__(type(error), error, error.__traceback__)
    except BaseExceptionGroup as wrapped:
        if error is None:
            raise wrapped.exceptions[0] from None  # noqa: ASYNC123 -- the one reason, without the wrapping
    except BaseException as raised:  # noqa: ASYNC103 -- what the body raised goes on its way when this returns
        if raised is not error:
            raise


def stream(source: Streamable[T]) -> Stream[T]:
    """Make a stream of whatever gives events.

    ``source`` is an async iterable, an iterable, an anyio receive stream, or a function that returns one of them,
    which is called anew at each start (by ``retry``, ``repeat``). A stream is returned as it is.
    The stream owns it: closing the stream closes it.

    Holds back nothing, needs no task. A plain iterable lets the loop turn after 256 events.
    Cancelling a read loses nothing, with one exception that Python makes: an async generator that waits when
    the cancel comes is ended by it. The next read then raises a ``RuntimeError`` that says so; it never looks like
    an end. An operator with a task, and ``share``, read it in a task of their own, where that cannot happen.
    """
    if isinstance(source, Stream):
        return cast("Stream[T]", source)
    return Chain(node_of(source, "stream"))


def interval(seconds: float) -> Stream[int]:
    """Give 0, 1, 2... one every ``seconds``, the first after as long.

    Times are counted from the first read; a reader that is late gets at once what is due, and no number is left out.
    Holds nothing, needs no task. Cancelling loses nothing.
    """
    return Chain(Interval(duration(seconds, "interval", zero=False)))


def timer(seconds: float) -> Stream[int]:
    """Give 0 after ``seconds``, counted from the first read, and end.

    Holds nothing, needs no task. Cancelling loses nothing.
    """
    return Chain(Timer(duration(seconds, "timer")))
