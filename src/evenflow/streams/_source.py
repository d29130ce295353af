"""Where a chain begins: whatever gives events, as a node.

given                                        started again
a function                                   it is called anew
an iterable or async iterable                it is iterated anew
an iterator, a receive stream, a generator   goes on where it was; once it is spent, that is an error
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from inspect import iscoroutinefunction
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from anyio.lowlevel import checkpoint
from pydantic import BaseModel

from evenflow.streams._node import Node, Operators, begin

if TYPE_CHECKING:
    from evenflow.streams._node import Run
    from evenflow.streams._stream import Stream

T = TypeVar("T")

Streamable: TypeAlias = "AsyncIterable[T] | Iterable[T] | Callable[[], AsyncIterable[T] | Iterable[T]]"
"""What ``stream()`` takes, and what ``flat_map``, ``catch`` and their like may be given by a function."""

A_TURN = 256
"""After so many events of a plain iterable the loop turns once."""


class Spent(RuntimeError):
    """A source that can be read but once was to be started again."""


class Source(Node[T]):
    """A node with nothing above it."""

    __slots__ = ()


class Items(Source[T]):
    """A plain iterable. Holds nothing; lets the loop turn after 256 events."""

    __slots__ = ("items", "left", "rest_of")

    def __init__(self, items: Iterable[T]) -> None:
        super().__init__()
        self.items = items
        self.rest_of: Iterator[T] | None = None
        self.left = A_TURN

    def open(self, run: Run) -> AsyncIterator[T]:  # noqa: ARG002 -- a source needs no task
        """Iterate anew; an iterator goes on."""
        self.rest_of = iter(self.items)
        return self

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        if not self.left:
            await checkpoint()  # before an event is taken: a cancel here loses none
            self.left = A_TURN
        self.left -= 1
        if self.rest_of is not None:
            for item in self.rest_of:
                return item
        raise StopAsyncIteration

    def nowait(self) -> T:
        """Give the next item; at the end leave that to the waiting read."""
        if self.left and self.rest_of is not None:
            for item in self.rest_of:
                self.left -= 1
                return item
        return super().nowait()

    async def shut(self, *, final: bool) -> None:
        """Close a generator."""
        given = self.rest_of or self.items
        if isinstance(given, Generator) and (final or given is not self.items):
            given.close()
        if final:
            self.rest_of = None


class AsyncItems(Source[T]):
    """An async iterable that gives a new iterator each time."""

    __slots__ = ("items", "iterator", "killed")

    def __init__(self, items: AsyncIterable[T]) -> None:
        super().__init__()
        self.items = items
        self.iterator: AsyncIterator[T] | None = None
        self.killed = False

    def open(self, run: Run) -> AsyncIterator[T]:  # noqa: ARG002 -- a source needs no task
        """Iterate anew."""
        self.iterator = aiter(self.items)
        self.killed = False
        return self.iterator

    def interrupted(self) -> None:
        """See whether the cancel has ended a generator."""
        self.killed = is_dead(self.iterator)

    def check_end(self) -> None:
        """Tell an end from a generator that a cancelled read had killed."""
        if self.killed:
            self.killed = False  # said once; then it is over
            raise RuntimeError(KILLED)

    async def shut(self, *, final: bool) -> None:  # noqa: ARG002 -- the next start has its own
        """Close the iterator, where it can be closed."""
        iterator, self.iterator = self.iterator, None
        await close(iterator)


class OneShot(Source[T]):
    """An async iterator: a receive stream, a generator. It can be read but once."""

    __slots__ = ("iterator", "killed", "spent")

    def __init__(self, iterator: AsyncIterator[T]) -> None:
        super().__init__()
        self.iterator = iterator
        self.killed = self.spent = False

    def open(self, run: Run) -> AsyncIterator[T]:
        """Go on reading it.

        Raises:
            Spent: it has ended, failed, or was closed.
        """
        if self.spent:
            raise Spent(
                f"cannot start {type(self.iterator).__name__} again, it is spent: "
                "give stream() a function that returns a new one"
            )
        return Watched(self, self.reader()) if run.restarts else self.reader()

    def reader(self) -> AsyncIterator[T]:
        """Return what the events are read from."""
        return aiter(self.iterator)  # itself; some count on being asked

    def nowait(self) -> T:
        """Give what an anyio memory stream holds."""
        receive: Callable[[], T] | None = getattr(self.iterator, "receive_nowait", None)
        return super().nowait() if receive is None else receive()

    def interrupted(self) -> None:
        """See whether the cancel has ended a generator."""
        self.killed = is_dead(self.iterator)

    def check_end(self) -> None:
        """Tell an end from a generator that a cancelled read had killed."""
        if self.killed:
            self.killed = False  # said once; then it is over
            raise RuntimeError(KILLED)

    async def shut(self, *, final: bool) -> None:
        """Close it, if this is for good."""
        if final:
            self.spent = True
            await close(self.iterator)


class Watched(AsyncIterator[T]):
    """Reads a source that can be read but once, and notes when it is spent."""

    __slots__ = ("reader", "source")

    def __init__(self, source: OneShot[T], reader: AsyncIterator[T]) -> None:
        self.source = source
        self.reader = reader

    async def __anext__(self) -> T:
        try:
            return await anext(self.reader)
        except Exception:
            self.source.spent = True
            raise


class Made(Source[T]):
    """A function that returns a source, called at each start."""

    __slots__ = ("function", "made")
    unknown = True

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__()
        self.function = function
        self.made: Node[T] | None = None

    def open(self, run: Run) -> AsyncIterator[T]:
        """Call the function, and start what it gives."""
        self.made = node_of(self.function(), "stream")
        return begin(self.made, run)

    def nowait(self) -> T:
        """Ask what the function gave."""
        return super().nowait() if self.made is None else self.made.nowait()

    def interrupted(self) -> None:
        """Pass it on."""
        if self.made is not None:
            self.made.interrupted()

    def check_end(self) -> None:
        """Pass it on."""
        if self.made is not None:
            self.made.check_end()

    async def shut(self, *, final: bool) -> None:  # noqa: ARG002 -- the next start has its own
        """Close what the function gave: the next start has its own."""
        if self.made is not None:
            await self.made.shut(final=True)


KILLED = (
    "the async generator behind this stream was ended by a cancelled read, and cannot go on: "
    "read it through share(), in a task of its own, or give stream() an object that outlives a cancel, "
    "such as a subscription or a receive stream"
)


def is_dead(iterator: object) -> bool:
    """Whether this is an async generator that will never run again."""
    return isinstance(iterator, AsyncGeneratorType) and iterator.ag_frame is None


async def close(iterator: object) -> None:
    """Close an iterator, if it knows how."""
    aclose = getattr(iterator, "aclose", None)
    if aclose is not None:
        await aclose()


def node_of(source: object, owner: str) -> Node[Any]:
    """Return the node for whatever ``stream()`` takes; a stream is taken over by ``owner``.

    Raises:
        TypeError: it takes no such thing.
        RuntimeError: it is a stream that has an owner already.
    """
    if isinstance(source, Operators):
        return cast("Stream[Any]", source)._claim(owner)
    given: Any = source  # a check by isinstance says nothing of what is in it
    if isinstance(source, AsyncIterator):
        return OneShot(given)
    if isinstance(source, AsyncIterable):
        return AsyncItems(given)
    if isinstance(source, Iterable) and not isinstance(source, BaseModel):
        return Items(given)
    if callable(source) and not isinstance(source, type) and not iscoroutinefunction(source):
        return Made(source)
    raise TypeError(
        f"cannot make a stream of {source!r}: expected an async iterable, an iterable, "
        "a receive stream, or a function that returns one"
    )
