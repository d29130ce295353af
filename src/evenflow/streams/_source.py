"""Where a chain begins: a node for everything that `stream()` takes.

given                                         when the chain is started again
a function                                    it is called again
a subject, a state, what has a `subscribe()`  it is subscribed to again
an iterable or an async iterable              it is iterated again
an iterator, a receive stream, a generator    it goes on; once it has ended, that is an error
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from functools import partial
from inspect import iscoroutinefunction
from types import AsyncGeneratorType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

from anyio import Event
from anyio.lowlevel import checkpoint
from pydantic import BaseModel

from evenflow.streams._ending import calling_functions, not_an_end
from evenflow.streams._node import Claimable, Node, open_inside

if TYPE_CHECKING:
    from evenflow.streams._node import Run

T = TypeVar("T")

T_co = TypeVar("T_co", covariant=True)


class Subscribable(Protocol[T_co]):
    """Something that can be subscribed to: a subject, a state, what ``share()`` returns."""

    def subscribe(self) -> AsyncIterable[T_co]:
        """Subscribe to all its events, from now on."""
        ...


Streamable: TypeAlias = (
    "AsyncIterable[T] | Iterable[T] | Subscribable[T] | Callable[[], AsyncIterable[T] | Iterable[T] | Subscribable[T]]"
)
"""What ``stream()`` takes, and what a function given to ``flat_map``, ``catch`` and their like may return."""

CHECKPOINT_AFTER: Final = 256
"""How many events of a plain iterable are read between two checkpoints."""

KILLED: Final = (
    "the async generator behind this stream was ended by a cancelled read, and cannot go on: "
    "read it through share(), in a task of its own, or give stream() an object that outlives a cancel, "
    "such as a subscription or a receive stream"
)


class NotRestartable(RuntimeError):
    """A source that can be read only once was started again after its end."""


class IterableSource(Node[T]):
    """A plain iterable."""

    __slots__ = ("before_checkpoint", "items", "iterator")

    def __init__(self, items: Iterable[T]) -> None:
        super().__init__()
        self.items = items
        self.iterator: Iterator[T] | None = None
        self.before_checkpoint = CHECKPOINT_AFTER

    def open(self, _run: Run, /) -> AsyncIterator[T]:
        """Iterate again; an iterator goes on."""
        self.iterator = iter(self.items)
        return self

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        if not self.before_checkpoint:
            # No event has been taken yet, so a cancel here loses none.
            await checkpoint()
            self.before_checkpoint = CHECKPOINT_AFTER
        self.before_checkpoint -= 1
        if self.iterator is not None:
            try:
                for item in self.iterator:
                    return item
            except StopAsyncIteration as error:
                raise not_an_end(error) from error
        raise StopAsyncIteration

    def next_nowait(self) -> T:
        """Return the next item. The end, and the checkpoint, are left to a read that can wait."""
        if self.before_checkpoint and self.iterator is not None:
            try:
                for item in self.iterator:
                    self.before_checkpoint -= 1
                    return item
            except StopAsyncIteration as error:
                raise not_an_end(error) from error
        return super().next_nowait()

    async def close(self, *, final: bool) -> None:
        """Close a generator."""
        iterator = self.iterator or self.items
        if isinstance(iterator, Generator) and (final or iterator is not self.items):
            iterator.close()
        if final:
            self.iterator = None


class AsyncSource(Node[T]):
    """The base of a source with an async iterator, which may be a generator.

    Python ends an async generator that is cancelled while it waits. Its next read then looks like an end, and must not.
    """

    __slots__ = ("closing", "iterator", "killed")

    def __init__(self, iterator: AsyncIterator[T] | None) -> None:
        super().__init__()
        self.iterator = iterator
        self.killed = False
        self.closing: Event | None = None

    def read_was_cancelled(self) -> None:
        """See whether the cancel has ended a generator."""
        self.killed = is_dead(self.iterator)

    async def close_alone(self, iterator: AsyncIterator[T] | None) -> None:
        """Close the iterator, after whoever is closing it: a generator cannot be closed twice at once."""
        # No lock of anyio: in a cancelled scope that would let nobody in, and nothing would be closed.
        while self.closing is not None:
            await self.closing.wait()
        self.closing = Event()
        try:
            await close_iterator(iterator)
        finally:
            self.closing.set()
            self.closing = None

    def check_end(self) -> None:
        """Raise an error, once, if the end is that of a generator which a cancel has ended."""
        if self.killed:
            self.killed = False
            raise RuntimeError(KILLED)


class AsyncIterableSource(AsyncSource[T]):
    """An async iterable that returns a new iterator each time."""

    __slots__ = ("items",)

    def __init__(self, items: AsyncIterable[T]) -> None:
        super().__init__(None)
        self.items = items

    def open(self, _run: Run, /) -> AsyncIterator[T]:
        """Iterate again."""
        self.killed = False
        self.iterator = aiter(self.items)
        return self.iterator

    async def close(self, *, final: bool) -> None:
        """Close the iterator if it can be closed."""
        # The next start has an iterator of its own.
        del final
        iterator, self.iterator = self.iterator, None
        await self.close_alone(iterator)


class IteratorSource(AsyncSource[T]):
    """An async iterator, which can be read only once: a receive stream, a generator, a subscription.

    ``reader`` returns what the events are read from, and ``read_nowait`` an event that is there; by default these are
    what the iterator itself offers.
    """

    __slots__ = ("opened", "read_nowait", "reader", "spent")

    def __init__(
        self,
        iterator: AsyncIterator[T],
        reader: Callable[[], AsyncIterator[T]] | None = None,
        read_nowait: Callable[[], T] | None = None,
    ) -> None:
        super().__init__(iterator)
        # Some iterators count on being asked for themselves.
        self.reader = reader or partial(aiter, iterator)
        self.read_nowait: Callable[[], T] | None = read_nowait or getattr(iterator, "receive_nowait", None)
        self.spent = False
        self.opened = False

    def open(self, run: Run, /) -> AsyncIterator[T]:
        """Go on reading it.

        Raises:
            NotRestartable: it has ended, failed, or was closed.
        """
        # A generator may have been ended by a time limit of an operator, which is no end of its own.
        if self.spent or (self.opened and is_dead(self.iterator)):
            raise NotRestartable(
                f"cannot start {type(self.iterator).__name__} again, it can be read only once: "
                "give stream() a function that returns a new one"
            )
        self.opened = True
        return WatchedIterator(self, self.reader()) if run.restarts else self.reader()

    async def begin(self) -> None:
        """Have it begin, if it is a subscription to a log: that is more than to read it."""
        feed = getattr(self.iterator, "_feed", None)
        if feed is not None:
            await feed.begin()

    def next_nowait(self) -> T:
        """Return an event that the iterator has ready, if it can be asked."""
        return super().next_nowait() if self.read_nowait is None else self.read_nowait()

    def read_was_cancelled(self) -> None:
        """See whether the cancel has ended a generator; one that is spent had ended before."""
        if not self.spent:
            super().read_was_cancelled()

    async def close(self, *, final: bool) -> None:
        """Close it, if this is for good."""
        if final:
            self.spent = True
            await self.close_alone(self.iterator)


class WatchedIterator(AsyncIterator[T]):
    """Reads an iterator that can be read only once, and notes when it is spent, so that it is not started again."""

    __slots__ = ("reader", "source")

    def __init__(self, source: IteratorSource[T], reader: AsyncIterator[T]) -> None:
        self.source = source
        self.reader = reader

    async def __anext__(self) -> T:
        try:
            return await anext(self.reader)
        except Exception:
            self.source.spent = True
            raise


class FunctionSource(Node[T]):
    """A function that returns a source, called at each start."""

    __slots__ = ("function", "made")
    opens_unknown = True

    def __init__(self, function: Callable[[], object]) -> None:
        super().__init__()
        self.function = function
        self.made: Node[T] | None = None

    def open(self, run: Run, /) -> AsyncIterator[T]:
        """Call the function, and open what it returns."""
        with calling_functions:
            made = self.function()
        self.made = node_of(made, "stream")
        return open_inside(self.made, run)

    async def begin(self) -> None:
        """Have what the function returned begin."""
        if self.made is not None:
            await self.made.begin()

    def next_nowait(self) -> T:
        """Ask what the function returned."""
        return super().next_nowait() if self.made is None else self.made.next_nowait()

    def read_was_cancelled(self) -> None:
        """Tell what the function returned."""
        if self.made is not None:
            self.made.read_was_cancelled()

    def check_end(self) -> None:
        """Ask what the function returned."""
        if self.made is not None:
            self.made.check_end()

    async def close(self, *, final: bool) -> None:
        """Close what the function returned."""
        # The next start has a source of its own.
        del final
        if self.made is not None:
            await self.made.close(final=True)


class SubscribedSource(FunctionSource[T]):
    """A subject, a state, or another source. It is subscribed to at each start, and the subscription is closed."""

    __slots__ = ()
    subscribes = True

    def __init__(self, source: Subscribable[T]) -> None:
        super().__init__(source.subscribe)


def is_dead(iterator: object) -> bool:
    """Whether this is an async generator that will never run again."""
    return isinstance(iterator, AsyncGeneratorType) and iterator.ag_frame is None


async def close_iterator(iterator: object) -> None:
    """Close an iterator if it can be closed."""
    aclose = getattr(iterator, "aclose", None)
    if aclose is not None:
        await aclose()


def node_of(source: object, owner: str) -> Node[Any]:
    """Return the node for what ``stream()`` takes. A stream is taken over by ``owner``.

    Raises:
        TypeError: ``stream()`` does not take it.
        RuntimeError: it is a stream that has an owner.
    """
    # `isinstance` says nothing about the type of the items.
    given: Any = source
    if isinstance(source, Claimable):
        claimed: Node[Any] = given._claim(owner)
        return claimed
    if isinstance(source, AsyncIterator):
        return IteratorSource(given)
    if isinstance(source, AsyncIterable):
        return AsyncIterableSource(given)
    # pydantic iterates over a model's fields, but an event is not a source of events.
    if isinstance(source, Iterable) and not isinstance(source, BaseModel):
        return IterableSource(given)
    if not isinstance(source, type):
        if callable(getattr(source, "subscribe", None)):
            return SubscribedSource(given)
        if callable(source) and not iscoroutinefunction(source):
            return FunctionSource(given)
    raise TypeError(
        f"cannot make a stream of {source!r}: expected an async iterable, an iterable, a receive stream, "
        "something with a subscribe method such as a subject or a state, or a function that returns one of them"
    )
